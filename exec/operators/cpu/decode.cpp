// One query against long rows of memory: attention of a decode step, and matrix times vector. Both
// read each number of the large operand once, and that is what they cost.
#include <cstdint>

#include "exec/operators/cpu/kernels.h"
#include "exec/operators/cpu/simd.h"
#include "exec/operators/cpu/tables.h"

namespace scsim::exec::SCSIM_ISA {
namespace {

constexpr std::int64_t kKeys = 64;
constexpr float kLog2E = 1.44269504088896341F;

// x . rows[0..7], each of n numbers.
SCSIM_INLINE Float8 dot8(const float* x, const float* const (&rows)[8], std::int64_t n) {
  Float8 sums[8] = {};
  std::int64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    const Float8 v = load(x + i);
#pragma GCC unroll 8
    for (int r = 0; r < 8; ++r) sums[r] += v * load(rows[r] + i);
  }
  Float8 total = sums_of(sums);
  for (; i < n; ++i) {
    for (int r = 0; r < 8; ++r) total[r] += x[i] * rows[r][i];
  }
  return total;
}

// sums[0 .. 8 * kVectors) = sums * factor + the weighted rows, from `column` on.
template <int kVectors>
SCSIM_INLINE void add_rows(float* sums, float factor, const float* weights,
                           const float* const* rows, std::int64_t count, std::int64_t column) {
  Float8 total[kVectors];
#pragma GCC unroll 8
  for (int v = 0; v < kVectors; ++v) total[v] = load(sums + column + 8 * v) * factor;
  for (std::int64_t k = 0; k < count; ++k) {
    const Float8 w = all(weights[k]);
    const float* row = rows[k] + column;
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) total[v] += w * load(row + 8 * v);
  }
#pragma GCC unroll 8
  for (int v = 0; v < kVectors; ++v) store(sums + column + 8 * v, total[v]);
}

void add_values(float* sums, float factor, const float* weights, const float* const* rows,
                std::int64_t count, std::int64_t head_dim) {
  std::int64_t d = 0;
  for (; d + 64 <= head_dim; d += 64) add_rows<8>(sums, factor, weights, rows, count, d);
  if (d + 32 <= head_dim) add_rows<4>(sums, factor, weights, rows, count, d), d += 32;
  if (d + 16 <= head_dim) add_rows<2>(sums, factor, weights, rows, count, d), d += 16;
  if (d + 8 <= head_dim) add_rows<1>(sums, factor, weights, rows, count, d), d += 8;
  for (; d < head_dim; ++d) {
    float total = sums[d] * factor;
    for (std::int64_t k = 0; k < count; ++k) total += weights[k] * rows[k][d];
    sums[d] = total;
  }
}

}  // namespace

std::int64_t decode_scratch(std::int64_t group, std::int64_t head_dim) { return group * head_dim; }

void decode(const DecodeItem& item, float* scratch) {
  const std::int64_t head_dim = item.keys.head_dim;
  const float scale = item.scale * kLog2E;
  for (std::int64_t i = 0; i < item.group * head_dim; ++i) {
    scratch[i] = item.q[i] * scale;
    item.sums[i] = 0;
  }
  for (std::int64_t g = 0; g < item.group; ++g) {
    item.top[g] = kMinusInfinity;
    item.weight[g] = 0;
  }
  const std::int64_t to_values = item.keys.page_tokens * head_dim;
  for (std::int64_t first = item.begin; first < item.end; first += kKeys) {
    const std::int64_t count = item.end - first < kKeys ? item.end - first : kKeys;
    const float *keys[kKeys], *values[kKeys];
    for (std::int64_t k = 0; k < kKeys; ++k) {  // what is missing repeats the last key
      keys[k] = k < count ? key_row(item.keys, first + k) : keys[count - 1];
      values[k] = keys[k] + to_values;
    }
    const std::int64_t padded = (count + 7) / 8 * 8;
    for (std::int64_t g = 0; g < item.group; ++g) {
      alignas(64) float weights[kKeys];
      const float* q = scratch + g * head_dim;
      for (std::int64_t k = 0; k < padded; k += 8) {
        const float* const rows[8] = {keys[k],     keys[k + 1], keys[k + 2], keys[k + 3],
                                      keys[k + 4], keys[k + 5], keys[k + 6], keys[k + 7]};
        store(weights + k, dot8(q, rows, head_dim));
      }
      for (std::int64_t k = count; k < padded; ++k) weights[k] = kMinusInfinity;
      Float8 high = load(weights);
      for (std::int64_t k = 8; k < padded; k += 8) high = larger(load(weights + k), high);
      const float largest = largest_lane(high);
      const float top = largest > item.top[g] ? largest : item.top[g];
      const float base = top == kMinusInfinity ? 0 : top;
      const float factor = power_of_two(all(item.top[g] - base))[0];
      Float8 sum = {};
      for (std::int64_t k = 0; k < padded; k += 8) {
        const Float8 w = power_of_two(load(weights + k) - base);
        store(weights + k, w);
        sum += w;
      }
      item.top[g] = top;
      item.weight[g] = item.weight[g] * factor + sum_lanes(sum);
      add_values(item.sums + g * head_dim, factor, weights, values, count, head_dim);
    }
  }
}

void dot_rows(const float* x, std::int64_t rows, std::int64_t x_stride, const float* weight,
              std::int64_t outputs, std::int64_t inputs, const float* bias, float* y,
              std::int64_t y_stride) {
  for (std::int64_t o = 0; o < outputs; o += 8) {
    const std::int64_t count = outputs - o < 8 ? outputs - o : 8;
    const float* block[8];
    for (std::int64_t i = 0; i < 8; ++i) {
      block[i] = weight + (o + (i < count ? i : count - 1)) * inputs;
    }
    for (std::int64_t r = 0; r < rows; ++r) {
      const Float8 sums = dot8(x + r * x_stride, block, inputs);
      for (std::int64_t i = 0; i < count; ++i) {
        y[r * y_stride + o + i] = sums[i] + (bias ? bias[o + i] : 0);
      }
    }
  }
}

}  // namespace scsim::exec::SCSIM_ISA
