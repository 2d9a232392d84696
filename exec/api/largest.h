// The k largest of n scores, for methods of the loading stage: they choose for every head of every
// layer at every step, so only scores are moved, not positions behind comparisons.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <vector>

namespace scsim::exec {

// Appends to `chosen` the numbers of the k largest of scores[0 .. n), ascending; of equal scores
// the first ones. All of them if k >= n. `scratch` is anything, kept by the caller to be reused.
inline void append_largest(const float* scores, std::int64_t n, std::int64_t k,
                           std::vector<std::int32_t>& chosen, std::vector<float>& scratch) {
  if (k <= 0) return;
  if (k >= n) {
    for (std::int64_t i = 0; i < n; ++i) chosen.push_back(static_cast<std::int32_t>(i));
    return;
  }
  scratch.assign(scores, scores + n);
  std::nth_element(scratch.begin(), scratch.begin() + (k - 1), scratch.end(), std::greater());
  const float least = scratch[static_cast<std::size_t>(k - 1)];
  std::int64_t equal = k - std::count_if(scratch.begin(), scratch.begin() + (k - 1),
                                         [&](float score) { return score > least; });
  for (std::int64_t i = 0; i < n; ++i) {
    if (scores[i] > least || (scores[i] == least && equal-- > 0)) {
      chosen.push_back(static_cast<std::int32_t>(i));
    }
  }
}

}  // namespace scsim::exec
