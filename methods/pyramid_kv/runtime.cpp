#include "methods/runtime.h"

#include "methods/pyramid_kv/parameters.h"
#include "methods/snapkv/window_vote.h"

namespace scsim::methods {
namespace {

class PyramidKvRuntime final : public WindowVoteRuntime {
 public:
  explicit PyramidKvRuntime(const MethodParameters& parameters)
      : WindowVoteRuntime(window_vote(parameters)), shape_(pyramid_shape(parameters)) {}

 private:
  std::int64_t most_kept(const exec::LayerStep& step, std::int64_t seen) const override {
    return pyramid_budget(shape_, step.layer, step.num_layers, Tokens{seen}).value();
  }

  PyramidShape shape_;
};

}  // namespace

MethodRuntimeEntry pyramid_kv_runtime() {
  return {.name = "pyramid_kv",
          .make = [](const MethodParameters& given) -> std::unique_ptr<exec::MethodRuntime> {
            return std::make_unique<PyramidKvRuntime>(given);
          }};
}

}  // namespace scsim::methods
