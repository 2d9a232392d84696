// A softmax that is kept up to date as keys come in pieces, with logits counted in powers of 2.
#pragma once

#include <cstdint>

#include "exec/operators/cpu/simd.h"

namespace scsim::exec {
namespace {

// Logits of `count` keys become weights relative to the largest logit so far; gives the factor that
// brings what was summed before to the new scale. Up to the next multiple of eight, numbers behind
// them become zeros.
SCSIM_INLINE float soften(float* logits, std::int64_t count, float& top, float& weight) {
  const std::int64_t padded = (count + 7) / 8 * 8;
  for (std::int64_t k = count; k < padded; ++k) logits[k] = kMinusInfinity;
  Float8 high = load(logits);
  for (std::int64_t k = 8; k < padded; k += 8) high = larger(load(logits + k), high);
  const float largest = largest_lane(high);
  const float new_top = largest > top ? largest : top;
  const float base = new_top == kMinusInfinity ? 0 : new_top;
  const float factor = power_of_two(all(top - base))[0];
  Float8 sum = {};
  for (std::int64_t k = 0; k < padded; k += 8) {
    const Float8 w = power_of_two(load(logits + k) - base);
    store(logits + k, w);
    sum += w;
  }
  top = new_top;
  weight = weight * factor + sum_lanes(sum);
  return factor;
}

}  // namespace
}  // namespace scsim::exec
