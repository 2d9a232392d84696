// Full attention is what MethodRuntime does where nothing is overridden.
#include "methods/runtime.h"

namespace scsim::methods {

MethodRuntimeEntry full_runtime() {
  return {.name = "full",
          .make = [](const MethodParameters&) -> std::unique_ptr<exec::MethodRuntime> {
            return std::make_unique<exec::MethodRuntime>();
          }};
}

}  // namespace scsim::methods
