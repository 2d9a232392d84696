// How PyramidKV shares a cache out over layers: many tokens to the first, few to the last, falling
// by equal steps.
#pragma once

#include <cstdint>

#include "traces/quantity.h"

namespace scsim::methods {

// Of two programs with one idea:
// kReleased (the authors', SCBench's): `budget` is the mean over layers, the window included; all
// in
//   whole numbers, so that steps are rounded down. A prompt shorter than the budget is left alone,
//   and one shorter than twice what is beside the window is treated as SnapKV does.
// kKvpress: `budget` is the mean, but the window is counted within every layer's share and not on
//   top, shares are rounded to the nearest, and where a layer's would be less than the window all
//   layers keep the budget.
enum class PyramidFormula { kReleased, kKvpress };

struct PyramidShape {
  PyramidFormula formula = PyramidFormula::kReleased;
  std::int64_t budget = 4096, window = 32;
  std::int64_t beta = 20;  // steepness: the last layer's share is 1 / beta of the mean
};

// Tokens that a head of `layer` of `num_layers` may keep of a prompt; more than the prompt has:
// all.
Tokens pyramid_budget(const PyramidShape& shape, std::int64_t layer, std::int64_t num_layers,
                      Tokens prompt);

}  // namespace scsim::methods
