// One layer under a method, without a model: random queries, keys and values, and what attention
// over any set of them is, in double.
#pragma once

#include <ATen/ATen.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <set>
#include <string>
#include <vector>

#include "exec/api/kv_cache.h"
#include "methods/runtime.h"
#include "tests/exec/api/measured.h"
#include "traces/rng.h"

namespace scsim::test {

constexpr std::int64_t kHeads = 4, kKvHeads = 2, kDim = 16;

// Tokens of one layer: q [n, kHeads, kDim]; k, v [n, kKvHeads, kDim].
struct LayerTokens {
  at::Tensor q, k, v;

  LayerTokens(std::int64_t n, const std::string& purpose) {
    Rng rng(11, "tests.loading." + purpose);
    const auto normal = [&](std::int64_t heads) {
      at::Tensor t = at::empty({n, heads, kDim}, at::kFloat);
      float* to = t.mutable_data_ptr<float>();
      for (std::int64_t i = 0; i < t.numel(); ++i) to[i] = static_cast<float>(rng.normal());
      return t;
    };
    q = normal(kHeads), k = normal(kKvHeads), v = normal(kKvHeads);
  }
};

class OneLayer {
 public:
  OneLayer(const std::string& method, const LayerTokens& tokens, std::int64_t page_tokens = 8)
      : OneLayer(method, tokens,
                 exec::KvCache(std::make_shared<exec::KvMemory>(exec::KvMemoryOptions{
                                   .head_dim = kDim, .page_tokens = page_tokens}),
                               {.layers = 1, .kv_heads = kKvHeads, .kinds = {}})) {}

  // On a cache that goes on, under the same method.
  OneLayer(const std::string& method, const LayerTokens& tokens, exec::KvCache cache)
      : cache(std::move(cache)), tokens_(tokens) {
    const auto choice = methods::parse_method(method);
    INFO((choice ? "" : choice.error().message));
    REQUIRE(choice.has_value());
    runtime_ = methods::make_runtime(*choice);
  }

  // Tokens done .. done + n as a prompt, the first one or a later one.
  at::Tensor prefill(std::int64_t n, bool first, bool last_chunk = true) {
    exec::LayerStep step = next(n);
    step.first_prefill = first;
    step.last_chunk = last_chunk;
    const exec::MeasuredStage stage(measured.measure, Stage::kGeneration);
    const at::Tensor out = runtime_->attend_prefill(step);
    const exec::MeasuredStage then(measured.measure, Stage::kCompression);
    REQUIRE(runtime_->compress(step));
    cache.advance(n);
    return out;
  }

  at::Tensor decode() {
    exec::LayerStep step = next(1);
    const exec::MeasuredStage stage(measured.measure, Stage::kLoading);
    const at::Tensor out = runtime_->attend_decode(step);
    cache.advance(1);
    return out;
  }

  std::int64_t done() const { return cache.tokens_seen(); }

  exec::KvCache cache;
  test::Measured measured;

 private:
  exec::LayerStep next(std::int64_t n) {
    return {.layer = 0,
            .num_layers = 1,
            .first_position = done(),
            .cache = cache,
            .q = tokens_.q.narrow(0, done(), n),
            .k = tokens_.k.narrow(0, done(), n),
            .v = tokens_.v.narrow(0, done(), n),
            .scale = 1 / std::sqrt(static_cast<double>(kDim)),
            .sliding_window = 0,
            .first_prefill = false,
            .last_chunk = true,
            .measure = measured.measure};
  }

  const LayerTokens& tokens_;
  std::unique_ptr<exec::MethodRuntime> runtime_;
};

// Attention of token `query`'s head over the tokens of `set`.
inline at::Tensor attention_over(const LayerTokens& tokens, std::int64_t query, std::int64_t head,
                                 const std::set<std::int64_t>& set) {
  const std::int64_t kv = head / (kHeads / kKvHeads);
  const std::vector<std::int64_t> listed(set.begin(), set.end());
  const at::Tensor index = at::tensor(listed, at::kLong);
  const at::Tensor k = tokens.k.select(1, kv).index_select(0, index).to(at::kDouble);
  const at::Tensor v = tokens.v.select(1, kv).index_select(0, index).to(at::kDouble);
  const at::Tensor logits =
      at::mv(k, tokens.q[query][head].to(at::kDouble)) / std::sqrt(static_cast<double>(kDim));
  return at::matmul(at::softmax(logits, 0), v);
}

inline double apart(const at::Tensor& a, const at::Tensor& b) {
  return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
}

}  // namespace scsim::test
