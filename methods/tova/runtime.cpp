// The token to drop is known once the new one has attended all others, so for a moment there is one
// too many. The new token then takes the place of the one that goes: attention does not ask in
// which order keys lie, and a prompt's tokens are appended behind all others.
#include "methods/runtime.h"

#include <ATen/ATen.h>

#include <optional>
#include <vector>

#include "exec/api/attention.h"
#include "methods/drop_one.h"
#include "methods/highest.h"

namespace scsim::methods {
namespace {

class TovaRuntime final : public exec::MethodRuntime {
 public:
  explicit TovaRuntime(const MethodParameters& parameters)
      : budget_(static_cast<std::int64_t>(parameters.at("budget"))) {}

  bool compress(exec::LayerStep& step) override {
    const std::int64_t held = step.cache.length(step.layer, 0);
    if (!step.last_chunk || held <= budget_ || step.sliding_window > 0) return true;
    std::vector<std::int32_t> kept;
    {
      const std::optional<exec::CacheView> view = step.cache.view(step.layer, step.measure);
      if (!view) return false;
      const at::Tensor last = step.q.narrow(0, step.q.size(0) - 1, 1);
      kept = highest(weights_of(exec::score_keys(step, *view, last)), budget_);
    }
    for (std::int64_t h = 0; h < step.cache.heads(step.layer); ++h) {
      if (!step.cache.keep(step.layer, h, kept, step.measure)) return false;
    }
    return true;
  }

  at::Tensor attend_decode(exec::LayerStep& step) override {
    exec::KvCache& cache = step.cache;
    if (!cache.append(step.layer, step.k, step.v, step.measure)) return {};
    std::optional<exec::CacheView> view = cache.view(step.layer, step.measure);
    if (!view) return {};
    const exec::Attention attention = exec::attend_one(step, *view);
    const std::int64_t held = cache.length(step.layer, 0);
    if (held <= budget_ || step.sliding_window > 0) return attention.out;
    const std::vector<float> weights =
        weights_of(exec::score_keys(step, *view, step.q, attention.lse));
    view.reset();
    const std::vector<std::int32_t> place(static_cast<std::size_t>(cache.heads(step.layer)),
                                          lowest(weights));
    return drop_one(step, place) ? attention.out : at::Tensor();
  }

 private:
  static std::vector<float> weights_of(const exec::KeyScores& scores) {
    const at::Tensor mean = scores.columns.mean(0).cpu().contiguous();
    return {mean.const_data_ptr<float>(), mean.const_data_ptr<float>() + mean.numel()};
  }

  std::int64_t budget_;
};

}  // namespace

MethodRuntimeEntry tova_runtime() {
  return {.name = "tova",
          .make = [](const MethodParameters& given) -> std::unique_ptr<exec::MethodRuntime> {
            return std::make_unique<TovaRuntime>(given);
          }};
}

}  // namespace scsim::methods
