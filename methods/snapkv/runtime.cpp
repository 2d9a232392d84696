#include "methods/runtime.h"

#include "methods/snapkv/window_vote.h"

namespace scsim::methods {
namespace {

class SnapKvRuntime final : public WindowVoteRuntime {
 public:
  explicit SnapKvRuntime(const MethodParameters& parameters)
      : WindowVoteRuntime(window_vote(parameters)),
        budget_(static_cast<std::int64_t>(parameters.at("budget"))) {}

 private:
  std::int64_t most_kept(const exec::LayerStep&, std::int64_t) const override { return budget_; }

  std::int64_t budget_;
};

}  // namespace

MethodRuntimeEntry snapkv_runtime() {
  return {.name = "snapkv",
          .make = [](const MethodParameters& given) -> std::unique_ptr<exec::MethodRuntime> {
            return std::make_unique<SnapKvRuntime>(given);
          }};
}

}  // namespace scsim::methods
