#include "methods/runtime.h"

#include "methods/a_shape/static_sparse.h"

namespace scsim::methods {

MethodRuntimeEntry a_shape_runtime() {
  return {.name = "a_shape", .make = [](const MethodParameters& parameters) {
            return make_static_runtime(static_pattern(parameters));
          }};
}

}  // namespace scsim::methods
