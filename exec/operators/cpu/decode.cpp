// One query against long rows of memory: attention of a decode step, and matrix times vector. Both
// read each number of the large operand once, and that is what they cost. So that the memory is
// never idle, what comes next is asked for while the present is multiplied: a thread that goes on
// where it ended finds its numbers in the cache.
//
// Attention takes 64 keys at a time, first all of their K rows and then all of their V rows, for
// all queries that share the kv head (four at a time), so that each row is loaded into registers
// once.
#include <cstdint>

#include "exec/operators/cpu/kernels.h"
#include "exec/operators/cpu/simd.h"
#include "exec/operators/cpu/softmax.h"
#include "exec/operators/cpu/tables.h"

namespace scsim::exec::SCSIM_ISA {
namespace {

constexpr std::int64_t kKeys = 64;

// x . rows[0..7], each of n numbers. kFetch: meanwhile the eight rows behind them are asked for.
template <bool kFetch>
SCSIM_INLINE Float8 dot8(const float* x, const float* const (&rows)[8], std::int64_t n) {
  Float8 sums[8] = {};
  std::int64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    const Float8 v = load(x + i);
#pragma GCC unroll 8
    for (std::int64_t r = 0; r < 8; ++r) sums[r] += v * load(rows[r] + i);
    if (kFetch) {
#pragma GCC unroll 4
      for (std::int64_t r = 0; r < 4; ++r) __builtin_prefetch(rows[0] + 8 * (n + i) + 16 * r);
    }
  }
  Float8 total = sums_of(sums);
  for (; i < n; ++i) {
    for (std::int64_t r = 0; r < 8; ++r) total[r] += x[i] * rows[r][i];
  }
  return total;
}

// How many keys and how many vectors of a value's numbers are worked on at a time for kGroup
// queries: as many sums as the registers hold beside what is multiplied.
constexpr std::int64_t keys_at_once(std::int64_t group) {
  return group == 1 ? 8 : group == 4 ? 2 : 4;
}
constexpr std::int64_t vectors_at_once(std::int64_t group) {
  return group == 1 ? 8 : group == 4 ? 2 : 4;
}

// Asks for the numbers [0, n) behind `row`.
SCSIM_INLINE void fetch(const float* row, std::int64_t n) {
  for (std::int64_t i = 0; i < n; i += 16) __builtin_prefetch(row + i);
}

// logits[g][k] = q[g] . keys[k] for `count` keys, a multiple of 8. Meanwhile `then` are asked for.
template <int kGroup>
SCSIM_INLINE void multiply_keys(const float* q, std::int64_t head_dim, const float* const* keys,
                                std::int64_t count, const float* const* then, float* logits) {
  constexpr std::int64_t kAtOnce = keys_at_once(kGroup), kSums = kGroup * kAtOnce;
  for (std::int64_t k = 0; k < count; k += kAtOnce) {
    for (std::int64_t i = 0; i < kAtOnce; ++i) fetch(then[k + i], head_dim);
    Float8 sums[kSums <= 8 ? 8 : 16] = {};
    std::int64_t d = 0;
    for (; d + 8 <= head_dim; d += 8) {
      Float8 v[kGroup];
#pragma GCC unroll 4
      for (std::int64_t g = 0; g < kGroup; ++g) v[g] = load(q + g * head_dim + d);
#pragma GCC unroll 8
      for (std::int64_t i = 0; i < kAtOnce; ++i) {
        const Float8 key = load(keys[k + i] + d);
#pragma GCC unroll 4
        for (std::int64_t g = 0; g < kGroup; ++g) sums[g * kAtOnce + i] += v[g] * key;
      }
    }
    float totals[16];
    store(totals, sums_of(sums));
    if (kSums > 8) store(totals + 8, sums_of(sums + 8));
    for (; d < head_dim; ++d) {
      for (std::int64_t i = 0; i < kSums; ++i) {
        totals[i] += q[i / kAtOnce * head_dim + d] * keys[k + i % kAtOnce][d];
      }
    }
#pragma GCC unroll 4
    for (std::int64_t g = 0; g < kGroup; ++g) {
      std::memcpy(logits + g * kKeys + k, totals + g * kAtOnce, kAtOnce * sizeof(float));
    }
  }
}

// sums[g][column ..] = sums[g] * factor[g] + the values by weights[g], for kVectors * 8 columns.
template <int kGroup, std::int64_t kVectors>
SCSIM_INLINE void add_columns(float* sums, const float* factor, const float* weights,
                              const float* const* values, std::int64_t count, std::int64_t head_dim,
                              std::int64_t column, const float* const* then) {
  Float8 total[kGroup][kVectors];
#pragma GCC unroll 4
  for (std::int64_t g = 0; g < kGroup; ++g) {
#pragma GCC unroll 8
    for (std::int64_t v = 0; v < kVectors; ++v) {
      total[g][v] = load(sums + g * head_dim + column + 8 * v) * factor[g];
    }
  }
  for (std::int64_t k = 0; k < count; ++k) {
    fetch(then[k] + column, 8 * kVectors);
    const float* row = values[k] + column;
    Float8 value[kVectors];
#pragma GCC unroll 8
    for (std::int64_t v = 0; v < kVectors; ++v) value[v] = load(row + 8 * v);
#pragma GCC unroll 4
    for (std::int64_t g = 0; g < kGroup; ++g) {
      const Float8 w = all(weights[g * kKeys + k]);
#pragma GCC unroll 8
      for (std::int64_t v = 0; v < kVectors; ++v) total[g][v] += w * value[v];
    }
  }
#pragma GCC unroll 4
  for (std::int64_t g = 0; g < kGroup; ++g) {
#pragma GCC unroll 8
    for (std::int64_t v = 0; v < kVectors; ++v)
      store(sums + g * head_dim + column + 8 * v, total[g][v]);
  }
}

template <int kGroup>
SCSIM_INLINE void add_values(float* sums, const float* factor, const float* weights,
                             const float* const* values, std::int64_t count, std::int64_t head_dim,
                             const float* const* then) {
  constexpr std::int64_t kVectors = vectors_at_once(kGroup);
  std::int64_t d = 0;
  for (; d + 8 * kVectors <= head_dim; d += 8 * kVectors) {
    add_columns<kGroup, kVectors>(sums, factor, weights, values, count, head_dim, d, then);
  }
  for (; d + 8 <= head_dim; d += 8) {
    add_columns<kGroup, 1>(sums, factor, weights, values, count, head_dim, d, then);
  }
  for (; d < head_dim; ++d) {
    for (std::int64_t g = 0; g < kGroup; ++g) {
      float total = sums[g * head_dim + d] * factor[g];
      for (std::int64_t k = 0; k < count; ++k) total += weights[g * kKeys + k] * values[k][d];
      sums[g * head_dim + d] = total;
    }
  }
}

// Where the i-th key of an item stands.
SCSIM_INLINE std::int64_t position(const DecodeItem& item, std::int64_t i) {
  return item.units ? item.units[i / item.unit] * item.unit + i % item.unit : i;
}

// The rows of an item's keys from `first` on, 64 of them; from `end` on the last repeats.
void find_rows(const DecodeItem& item, std::int64_t first, std::int64_t end,
               const float* (&rows)[kKeys]) {
  for (std::int64_t k = 0; k < kKeys; ++k) {
    rows[k] = first + k < end ? key_row(item.keys, position(item, first + k)) : rows[k - 1];
  }
}

struct Rows {
  const float* keys[kKeys];
  const float* values[kKeys];
};

// kGroup queries from number `g` on against one chunk of keys, whose rows are `rows`.
template <int kGroup>
void attend_chunk(const DecodeItem& item, const float* q, std::int64_t g, std::int64_t count,
                  const Rows& rows, const float* const* then) {
  const std::int64_t head_dim = item.keys.head_dim;
  alignas(64) float logits[kGroup * kKeys];
  multiply_keys<kGroup>(q + g * head_dim, head_dim, rows.keys, (count + 7) / 8 * 8, rows.values,
                        logits);
  float factor[kGroup];
  for (std::int64_t i = 0; i < kGroup; ++i) {
    factor[i] = soften(logits + i * kKeys, count, item.top[g + i], item.weight[g + i]);
  }
  add_values<kGroup>(item.sums + g * head_dim, factor, logits, rows.values, count, head_dim, then);
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
  Rows rows;
  const float* next[kKeys];
  if (item.begin < item.end) find_rows(item, item.begin, item.end, next);
  for (std::int64_t first = item.begin; first < item.end; first += kKeys) {
    const std::int64_t count = item.end - first < kKeys ? item.end - first : kKeys;
    for (std::int64_t k = 0; k < kKeys; ++k) {
      rows.keys[k] = next[k];
      rows.values[k] = next[k] + to_values;
    }
    // The keys behind this item's are likely the next item's of this thread.
    const std::int64_t then = first + kKeys;
    if (then < item.end) {
      find_rows(item, then, item.end, next);
    } else if (!item.units && then < item.keys.length) {
      find_rows(item, then, item.keys.length, next);
    }
    std::int64_t g = 0;
    for (; g + 4 <= item.group; g += 4) attend_chunk<4>(item, scratch, g, count, rows, next);
    switch (item.group - g) {
      case 3:
        attend_chunk<3>(item, scratch, g, count, rows, next);
        break;
      case 2:
        attend_chunk<2>(item, scratch, g, count, rows, next);
        break;
      case 1:
        attend_chunk<1>(item, scratch, g, count, rows, next);
        break;
      default:
        break;
    }
  }
}

void dot_listed(const float* x, const float* const* rows, std::int64_t count, std::int64_t n,
                float* y) {
  for (std::int64_t i = 0; i < count; i += 8) {
    const std::int64_t left = count - i < 8 ? count - i : 8;
    const float* block[8];
    for (std::int64_t r = 0; r < 8; ++r) block[r] = rows[i + (r < left ? r : left - 1)];
    const Float8 sums = dot8<false>(x, block, n);
    for (std::int64_t r = 0; r < left; ++r) y[i + r] = sums[r];
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
      const Float8 sums =
          r == 0 ? dot8<true>(x, block, inputs) : dot8<false>(x + r * x_stride, block, inputs);
      for (std::int64_t i = 0; i < count; ++i) {
        y[r * y_stride + o + i] = sums[i] + (bias ? bias[o + i] : 0);
      }
    }
  }
}

}  // namespace scsim::exec::SCSIM_ISA
