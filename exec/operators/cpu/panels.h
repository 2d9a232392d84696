// What passes over keys in blocks share: six rows of queries against chunks of 64 keys, which are
// copied once into panels of sixteen columns, multiplied in registers. Internal to the file that
// includes it, as simd.h is.
#pragma once

#include <cstdint>

#include "exec/operators/cpu/simd.h"

namespace scsim::exec {
namespace {

constexpr std::int64_t kRows = 6, kKeys = 64, kPanel = 16;
constexpr float kLn2 = 0.693147180559945309F;

SCSIM_INLINE std::int64_t up_to(std::int64_t n, std::int64_t multiple) {
  return (n + multiple - 1) / multiple * multiple;
}

// `count` rows of keys -> panels [4][head_dim][16], zeros where a panel's rows are missing.
inline void pack_keys(const float* const* rows, std::int64_t count, std::int64_t head_dim,
                      float* panels) {
  for (std::int64_t first = 0; first < count; first += 8) {
    float* panel = panels + first / kPanel * kPanel * head_dim + first % kPanel;
    std::int64_t d = 0;
    for (; d + 8 <= head_dim; d += 8) {
      Float8 block[8];
#pragma GCC unroll 8
      for (int i = 0; i < 8; ++i)
        block[i] = first + i < count ? load(rows[first + i] + d) : Float8{};
      transpose(block);
#pragma GCC unroll 8
      for (int i = 0; i < 8; ++i) store(panel + (d + i) * kPanel, block[i]);
    }
    for (; d < head_dim; ++d) {
      for (int i = 0; i < 8; ++i)
        panel[d * kPanel + i] = first + i < count ? rows[first + i][d] : 0;
    }
  }
}

// c[r][:] += sum over k of a[r][k] * b[k][:], for six rows and sixteen columns.
SCSIM_INLINE void multiply(const float* a, std::int64_t a_stride, const float* b,
                           std::int64_t depth, Float8 (&c)[kRows][2]) {
  for (std::int64_t k = 0; k < depth; ++k) {
    const Float8 b0 = load(b + k * kPanel), b1 = load(b + k * kPanel + 8);
#pragma GCC unroll 6
    for (int r = 0; r < kRows; ++r) {
      const Float8 factor = all(a[r * a_stride + k]);
      c[r][0] += factor * b0;
      c[r][1] += factor * b1;
    }
  }
}

// Turns the logits [skipped, valid) of a row, of those from `begin` to `padded`, into weights
// relative to the row's largest logit so far, the others into 0; gives the factor that brings what
// was summed before to the new scale.
SCSIM_INLINE float soften(float* logits, std::int64_t begin, std::int64_t skipped,
                          std::int64_t valid, std::int64_t padded, float& top, float& weight) {
  if (valid <= skipped) {
    for (std::int64_t i = begin; i < padded; i += 8) store(logits + i, Float8{});
    return 1;
  }
  for (std::int64_t i = begin; i < skipped; ++i) logits[i] = kMinusInfinity;
  for (std::int64_t i = valid; i < padded; ++i) logits[i] = kMinusInfinity;
  Float8 high = load(logits + begin);
  for (std::int64_t i = begin + 8; i < padded; i += 8) high = larger(load(logits + i), high);
  const float largest = largest_lane(high);
  const float new_top = largest > top ? largest : top;
  // Where every logit so far is -infinity, all weights are 0 relative to anything finite.
  const float base = new_top == kMinusInfinity ? 0 : new_top;
  const float factor = power_of_two(all(top - base))[0];
  Float8 sum = {};
  for (std::int64_t i = begin; i < padded; i += 8) {
    const Float8 w = power_of_two(load(logits + i) - base);
    store(logits + i, w);
    sum += w;
  }
  top = new_top;
  weight = weight * factor + sum_lanes(sum);
  return factor;
}

}  // namespace
}  // namespace scsim::exec
