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

}  // namespace scsim::cost_models
