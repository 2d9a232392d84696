// The inner loops of recurrent layers. A scan over a run of tokens is three products of small
// matrices for each head (see ssd_chunk), all done by product() below; Mamba-1, whose channels have
// nothing in common, goes through the tokens with sixteen channels side by side.
#include <cstdint>

#include "exec/operators/cpu/kernels.h"
#include "exec/operators/cpu/simd.h"
#include "exec/operators/cpu/tables.h"

namespace scsim::exec::SCSIM_ISA {
namespace {

// y[r, :] = (or, where kAdd, +=) the sum over k of w[r, k] * v[k, :], for kRows rows and kVectors
// vectors of eight columns.
template <bool kAdd, int kRows, int kVectors>
SCSIM_INLINE void product_block(const float* w, std::int64_t w_stride, const float* v,
                                std::int64_t v_stride, std::int64_t terms, float* y,
                                std::int64_t y_stride) {
  Float8 sums[kRows][kVectors];
#pragma GCC unroll 6
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
    for (int i = 0; i < kVectors; ++i) {
      sums[r][i] = kAdd ? load(y + r * y_stride + 8 * i) : Float8{};
    }
  }
  for (std::int64_t k = 0; k < terms; ++k) {
    Float8 row[kVectors];
#pragma GCC unroll 2
    for (int i = 0; i < kVectors; ++i) row[i] = load(v + k * v_stride + 8 * i);
#pragma GCC unroll 6
    for (int r = 0; r < kRows; ++r) {
      const Float8 weight = all(w[r * w_stride + k]);
#pragma GCC unroll 2
      for (int i = 0; i < kVectors; ++i) sums[r][i] += weight * row[i];
    }
  }
#pragma GCC unroll 6
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
    for (int i = 0; i < kVectors; ++i) store(y + r * y_stride + 8 * i, sums[r][i]);
  }
}

template <bool kAdd, int kRows>
SCSIM_INLINE void product_rows(const float* w, std::int64_t w_stride, const float* v,
                               std::int64_t v_stride, std::int64_t terms, std::int64_t columns,
                               float* y, std::int64_t y_stride) {
  std::int64_t i = 0;
  for (; i + 16 <= columns; i += 16) {
    product_block<kAdd, kRows, 2>(w, w_stride, v + i, v_stride, terms, y + i, y_stride);
  }
  if (i + 8 <= columns) {
    product_block<kAdd, kRows, 1>(w, w_stride, v + i, v_stride, terms, y + i, y_stride);
    i += 8;
  }
  for (; i < columns; ++i) {
    for (int r = 0; r < kRows; ++r) {
      float sum = kAdd ? y[r * y_stride + i] : 0;
      for (std::int64_t k = 0; k < terms; ++k) sum += w[r * w_stride + k] * v[k * v_stride + i];
      y[r * y_stride + i] = sum;
    }
  }
}

// Calls work(first, count as a type) for blocks of rows that registers have room for.
template <int kCount>
struct Count {
  static constexpr int kValue = kCount;
};
template <class Work>
SCSIM_INLINE void row_blocks(std::int64_t rows, const Work& work) {
  std::int64_t r = 0;
  for (; r + 6 <= rows; r += 6) work(r, Count<6>{});
  if (r + 4 <= rows) work(r, Count<4>{}), r += 4;
  if (r + 2 <= rows) work(r, Count<2>{}), r += 2;
  if (r < rows) work(r, Count<1>{});
}

template <bool kAdd>
SCSIM_INLINE void product(const float* w, std::int64_t w_stride, const float* v,
                          std::int64_t v_stride, std::int64_t rows, std::int64_t terms,
                          std::int64_t columns, float* y, std::int64_t y_stride) {
  row_blocks(rows, [&](std::int64_t r, auto count) {
    product_rows<kAdd, decltype(count)::kValue>(w + r * w_stride, w_stride, v, v_stride, terms,
                                                columns, y + r * y_stride, y_stride);
  });
}

std::int64_t up_to_8(std::int64_t n) { return (n + 7) / 8 * 8; }

SCSIM_INLINE float exponential(float x) { return power_of_two(all(x * kLog2E))[0]; }

// The first `count` numbers, the others 0.
SCSIM_INLINE Float8 load_some(const float* from, std::int64_t count) {
  if (count >= 8) return load(from);
  Float8 v = {};
  for (std::int64_t i = 0; i < count; ++i) v[i] = from[i];
  return v;
}
SCSIM_INLINE void store_some(float* to, Float8 v, std::int64_t count) {
  if (count >= 8) return store(to, v);
  for (std::int64_t i = 0; i < count; ++i) to[i] = v[i];
}

}  // namespace

void conv_row(const float* const* rows, std::int64_t kernel, const float* weight, const float* bias,
              std::int64_t channels, float* y) {
  for (std::int64_t i = 0; i < channels; i += 8) {
    const std::int64_t count = channels - i;
    Float8 sum = bias ? load_some(bias + i, count) : Float8{};
    for (std::int64_t k = 0; k < kernel; ++k) {
      sum += load_some(weight + k * channels + i, count) * load_some(rows[k] + i, count);
    }
    store_some(y + i, silu(sum), count);
  }
}

void ssd_share(const SsdShared& shared) {
  for (std::int64_t n = 0; n < shared.state; ++n) {
    float* row = shared.b_columns + n * shared.padded;
    for (std::int64_t t = 0; t < shared.tokens; ++t) row[t] = shared.b[t * shared.b_stride + n];
    for (std::int64_t t = shared.tokens; t < shared.padded; ++t) row[t] = 0;
  }
  row_blocks(shared.tokens, [&](std::int64_t r, auto count) {
    constexpr int kRows = decltype(count)::kValue;
    product_rows<false, kRows>(shared.c + r * shared.c_stride, shared.c_stride, shared.b_columns,
                               shared.padded, shared.state, up_to_8(r + kRows),
                               shared.scores + r * shared.padded, shared.padded);
  });
}

std::int64_t ssd_scratch(std::int64_t chunk, std::int64_t head_dim) {
  return up_to_8(chunk) * (chunk + 2) + chunk * head_dim;
}

// With kept_i = exp(time_step_i * decay), what is left of a state behind token i, and kept(j, i)
// the product of those of the tokens behind j up to i; S what is carried into the run, T its last
// token:
//   y_i = kept(-1, i) c_i S + skip x_i + sum over j <= i of (c_i . b_j) kept(j, i) time_step_j x_j
//   S'  = kept(-1, T) S + sum over j of b_j^T kept(j, T) time_step_j x_j
//
// Products are taken step by step: as differences of sums of logarithms they would lose the digits
// of a token that keeps most beside one that keeps nothing. What has all but gone is made 0, so
// that nothing is computed with numbers too small for the processor.
void ssd_chunk(const SsdItem& item, float* scratch) {
  constexpr float kNothing = 1e-30F;
  const SsdShared& shared = item.shared;
  const std::int64_t tokens = shared.tokens, padded = shared.padded, head_dim = item.head_dim;
  float* kept = scratch;
  float* running = kept + padded;     // of each j: kept(j, i) * time_step_j
  float* weights = running + padded;  // [tokens, padded]
  float* inputs = weights + tokens * padded;
  for (std::int64_t t = 0; t < padded; ++t) {
    kept[t] = t < tokens ? item.time_step[t * item.time_stride] * item.decay * kLog2E : 0;
    running[t] = 0;
  }
  for (std::int64_t t = 0; t < padded; t += 8) store(kept + t, power_of_two(load(kept + t)));
  for (std::int64_t i = 0; i < tokens; ++i) {
    for (std::int64_t j = 0; j < i; j += 8) {
      const Float8 left = load(running + j) * kept[i];
      store(running + j, left > kNothing ? left : Float8{});
    }
    running[i] = item.time_step[i * item.time_stride];
    for (std::int64_t j = 0; j <= i; j += 8) {
      store(weights + i * padded + j, load(shared.scores + i * padded + j) * load(running + j));
    }
  }
  // What was carried into the run, and what each token leaves behind it.
  product<false>(shared.c, shared.c_stride, item.carried, head_dim, tokens, shared.state, head_dim,
                 item.y, item.y_stride);
  float before = 1;
  for (std::int64_t t = 0; t < tokens; ++t) {
    before *= kept[t];
    if (before < kNothing) before = 0;
    float* y = item.y + t * item.y_stride;
    const float* x = item.x + t * item.x_stride;
    std::int64_t i = 0;
    for (; i + 8 <= head_dim; i += 8) {
      store(y + i, load(y + i) * before + load(x + i) * item.skip);
    }
    for (; i < head_dim; ++i) y[i] = y[i] * before + x[i] * item.skip;
  }
  float behind = 1;
  for (std::int64_t t = tokens - 1; t >= 0; --t) {
    const float share = behind * item.time_step[t * item.time_stride];
    behind *= kept[t];
    if (behind < kNothing) behind = 0;
    const float* x = item.x + t * item.x_stride;
    float* input = inputs + t * head_dim;
    std::int64_t i = 0;
    for (; i + 8 <= head_dim; i += 8) store(input + i, load(x + i) * share);
    for (; i < head_dim; ++i) input[i] = x[i] * share;
  }
  // What came in it: of each block of rows no later token. Weights behind a row's own token were
  // written up to a multiple of 8, and a block's last row may be longer than its first.
  row_blocks(tokens, [&](std::int64_t r, auto count) {
    constexpr int kRows = decltype(count)::kValue;
    const std::int64_t terms = r + kRows;
    for (std::int64_t i = r; i < terms; ++i) {
      for (std::int64_t j = up_to_8(i + 1); j < terms; ++j) weights[i * padded + j] = 0;
    }
    product_rows<true, kRows>(weights + r * padded, padded, item.x, item.x_stride, terms, head_dim,
                              item.y + r * item.y_stride, item.y_stride);
  });
  const std::int64_t numbers = shared.state * head_dim;
  std::int64_t i = 0;
  for (; i + 8 <= numbers; i += 8) store(item.carried + i, load(item.carried + i) * before);
  for (; i < numbers; ++i) item.carried[i] *= before;
  product<true>(shared.b_columns, padded, inputs, head_dim, shared.state, tokens, head_dim,
                item.carried, head_dim);
}

void ssd_step(const float* x, float time_step, float decay, const float* b, const float* c,
              float skip, std::int64_t state, std::int64_t head_dim, float* carried, float* y) {
  const float decayed = exponential(time_step * decay);
  std::int64_t i = 0;
  for (; i + 16 <= head_dim; i += 16) {
    const Float8 x0 = load(x + i), x1 = load(x + i + 8);
    const Float8 in0 = x0 * time_step, in1 = x1 * time_step;
    Float8 y0 = x0 * skip, y1 = x1 * skip;
    for (std::int64_t n = 0; n < state; ++n) {
      float* row = carried + n * head_dim + i;
      const Float8 s0 = load(row) * decayed + in0 * b[n];
      const Float8 s1 = load(row + 8) * decayed + in1 * b[n];
      store(row, s0);
      store(row + 8, s1);
      y0 += s0 * c[n];
      y1 += s1 * c[n];
    }
    store(y + i, y0);
    store(y + i + 8, y1);
  }
  for (; i < head_dim; ++i) {
    float sum = x[i] * skip;
    for (std::int64_t n = 0; n < state; ++n) {
      float& s = carried[n * head_dim + i];
      s = s * decayed + x[i] * time_step * b[n];
      sum += s * c[n];
    }
    y[i] = sum;
  }
}

std::int64_t selective_scratch(std::int64_t state) { return 32 * state; }

void selective_scan(const SelectiveItem& item, float* scratch) {
  const std::int64_t low = item.channels, high = item.channels - 8;  // of two vectors of channels
  float *s = scratch, *decay = scratch + 16 * item.state;
  for (std::int64_t n = 0; n < item.state; ++n) {
    const float* from = item.carried + n * item.row_stride;
    const float* rate = item.decay + n * item.row_stride;
    store(s + 16 * n, load_some(from, low));
    store(decay + 16 * n, load_some(rate, low) * kLog2E);
    store(s + 16 * n + 8, high > 0 ? load_some(from + 8, high) : Float8{});
    store(decay + 16 * n + 8, high > 0 ? load_some(rate + 8, high) * kLog2E : Float8{});
  }
  const auto second = [&](const float* row) {
    return high > 0 ? load_some(row + 8, high) : Float8{};
  };
  const Float8 skip0 = load_some(item.skip, low), skip1 = second(item.skip);
  for (std::int64_t t = 0; t < item.tokens; ++t) {
    const float *x = item.x + t * item.x_stride, *step = item.time_step + t * item.time_stride;
    const float *b = item.b + t * item.b_stride, *c = item.c + t * item.c_stride;
    const Float8 x0 = load_some(x, low), x1 = second(x);
    const Float8 step0 = load_some(step, low), step1 = second(step);
    const Float8 in0 = x0 * step0, in1 = x1 * step1;
    Float8 y0 = x0 * skip0, y1 = x1 * skip1;
    for (std::int64_t n = 0; n < item.state; ++n) {
      float* of = s + 16 * n;
      const Float8 s0 = load(of) * power_of_two(step0 * load(decay + 16 * n)) + in0 * b[n];
      const Float8 s1 = load(of + 8) * power_of_two(step1 * load(decay + 16 * n + 8)) + in1 * b[n];
      store(of, s0);
      store(of + 8, s1);
      y0 += s0 * c[n];
      y1 += s1 * c[n];
    }
    store_some(item.y + t * item.y_stride, y0, low);
    if (high > 0) store_some(item.y + t * item.y_stride + 8, y1, high);
  }
  for (std::int64_t n = 0; n < item.state; ++n) {
    float* to = item.carried + n * item.row_stride;
    store_some(to, load(s + 16 * n), low);
    if (high > 0) store_some(to + 8, load(s + 16 * n + 8), high);
  }
}

}  // namespace scsim::exec::SCSIM_ISA
