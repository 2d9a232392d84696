#include "methods/pyramid_kv/layer_budget.h"

#include <algorithm>
#include <cmath>

namespace scsim::methods {
namespace {

Tokens released_budget(const PyramidShape& shape, std::int64_t layer, std::int64_t num_layers,
                       std::int64_t prompt) {
  const std::int64_t beside = std::max<std::int64_t>(0, shape.budget - shape.window);
  if (prompt < 2 * beside || beside == 0) return Tokens{shape.budget};
  std::int64_t last = beside / shape.beta, first = 2 * beside - last;
  if (first >= prompt - shape.window) {
    first = prompt - shape.window;
    last = 2 * beside - first;
  }
  const std::int64_t step = num_layers > 1 ? (first - last) / (num_layers - 1) : 0;
  return Tokens{first - layer * step + shape.window};
}

Tokens kvpress_budget(const PyramidShape& shape, std::int64_t layer, std::int64_t num_layers,
                      std::int64_t prompt) {
  const double mean = static_cast<double>(shape.budget), all = static_cast<double>(prompt);
  const double window = static_cast<double>(shape.window);
  double last = mean / static_cast<double>(shape.beta), first = 2 * mean - last;
  if (first >= all - window) {
    first = all - window;
    last = 2 * mean - first;
  }
  if (!(all >= first && first >= last && last >= window)) return Tokens{shape.budget};
  const double step = num_layers > 1 ? (first - last) / static_cast<double>(num_layers - 1) : 0;
  // To the nearest, halves to even, as Python rounds.
  return Tokens{
      static_cast<std::int64_t>(std::nearbyint(first - static_cast<double>(layer) * step))};
}

}  // namespace

Tokens pyramid_budget(const PyramidShape& shape, std::int64_t layer, std::int64_t num_layers,
                      Tokens prompt) {
  if (prompt.value() <= shape.budget) return Tokens{shape.budget};
  return shape.formula == PyramidFormula::kReleased
             ? released_budget(shape, layer, num_layers, prompt.value())
             : kvpress_budget(shape, layer, num_layers, prompt.value());
}

}  // namespace scsim::methods
