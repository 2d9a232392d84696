// Random caches and queries for the attention operators, and what they are compared by.
#pragma once

#include <ATen/ATen.h>

#include <string>
#include <tuple>
#include <vector>

#include "exec/operators/operators.h"
#include "traces/rng.h"

namespace scsim::exec::test {

using Tensors = std::tuple<at::Tensor, at::Tensor>;

// Standard normal numbers.
at::Tensor normal(Rng& rng, at::IntArrayRef sizes, double deviation = 1);
at::Tensor int32s(const std::vector<std::int64_t>& values);

struct PagedShape {
  std::int64_t kv_heads = 1, group = 1, head_dim = 64, page_tokens = 16;
  std::vector<std::vector<std::int64_t>> lengths;  // [sequences][kv_heads]
  std::vector<std::int64_t> new_tokens;            // of each sequence, for a prefill
};

// Pages lie in random order; what no length covers is NaN, and block_table is -1 there, so that
// whoever reads either is found out.
struct PagedCase {
  PagedCase(const PagedShape& shape, Rng& rng);

  at::Tensor pool, block_table, kv_lengths;
  at::Tensor q, query_offsets;  // of a prefill
  at::Tensor decode_q;
  double scale;

  PagedCase sequence(std::int64_t s) const;  // that one alone, on the same pool
};

// Any shape that the operators take, with empty heads and pages of 1 to 128 tokens.
PagedShape random_shape(Rng& rng);

// A random selection for `tile`: some key tiles and, of what is left, some columns.
PrefillSelection random_selection(const PagedCase& c, std::int64_t tile, Rng& rng,
                                  bool by_kv_head = false);
// Tiles from any key on and columns, below a band.
PrefillSelection random_bands(const PagedCase& c, std::int64_t tile, Rng& rng, bool by_kv_head);

// The implementations that must agree: the CPU's (behind the dispatcher) and the generic one.
struct Implementation {
  std::string name;
  Tensors (*prefill)(const PagedCase& c, const c10::optional<PrefillSelection>& selection);
  Tensors (*decode)(const PagedCase& c);
};
const std::vector<Implementation>& implementations();
Tensors expected_prefill(const PagedCase& c,
                         const c10::optional<PrefillSelection>& selection = c10::nullopt);
Tensors expected_decode(const PagedCase& c);

// The largest difference, relative to the largest magnitude of `expected` or 1 (so that rows near
// zero are not held to more digits than the sums have); equal infinities differ by 0.
double difference(const at::Tensor& found, const at::Tensor& expected);
double difference(const Tensors& found, const Tensors& expected);
bool same_bits(const at::Tensor& a, const at::Tensor& b);
bool same_bits(const Tensors& a, const Tensors& b);

// Float32 sums of up to a few thousand terms of order 1, in blocks: 2^-24 times a small factor.
constexpr double kTolerance = 4e-6;

}  // namespace scsim::exec::test
