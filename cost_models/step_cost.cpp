#include "cost_models/step_cost.h"

#include <algorithm>

namespace scsim::cost_models {

double causal_pairs(std::int64_t cached, std::int64_t fresh, std::int64_t window) {
  // Tokens cached + 1 ... cached + fresh see that many tokens each, but no more than the window:
  // the first `growing` of them still gain a token each, the others see a full window.
  const std::int64_t growing =
      window == 0 ? fresh : std::clamp<std::int64_t>(window - cached, 0, fresh);
  const auto g = static_cast<double>(growing);
  const double before = static_cast<double>(cached) * g + g * (g + 1) / 2;
  return before + static_cast<double>(fresh - growing) * static_cast<double>(window);
}

double prefill_seconds(const StepCostModel& model, std::int64_t cached, std::int64_t fresh) {
  StepShape shape;
  shape.prefill_sequences = 1;
  shape.prefill_tokens = fresh;
  shape.prefill_pairs = causal_pairs(cached, fresh, 0);
  shape.prefill_cached_tokens = static_cast<double>(cached);
  for (std::size_t w = 0; w < model.windows().size(); ++w) {
    const std::int64_t window = model.windows()[w];
    shape.windowed_prefill_pairs[w] = causal_pairs(cached, fresh, window);
    shape.windowed_prefill_cached[w] = static_cast<double>(std::min(cached, window - 1));
  }
  const StepCost cost = model.step(shape);
  double seconds = 0;
  for (const double part : cost.fixed) seconds += part;
  return seconds;
}

}  // namespace scsim::cost_models
