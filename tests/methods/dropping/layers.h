// The hooks of a method driven without a network: layers that are handed random queries, keys and
// values. The first number of each value is the token's own, so that what a cache holds can be read
// back.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "methods/runtime.h"
#include "tests/exec/api/measured.h"
#include "tests/oracle/dropping_oracle.h"
#include "traces/rng.h"

namespace scsim::test {

// Keys [tokens, heads, head_dim] as if each stood `by` tokens later: numbers 2i and 2i + 1 are
// turned by 1 / (i + 1) radians a token.
at::Tensor turned_keys(const at::Tensor& keys, std::int64_t by);

struct LayersShape {
  std::int64_t layers = 2, kv_heads = 2, group = 3, head_dim = 16, page_tokens = 8;
};

class Layers {
 public:
  Layers(const std::string& method, const LayersShape& shape, std::uint64_t draw);

  // A prompt of `tokens` behind all before, in chunks of `chunk` (0: at once).
  void prompt(std::int64_t tokens, std::int64_t chunk = 0);
  // A prompt of given queries and keys [tokens, heads, head_dim], the same in each layer.
  void prompt_of(const at::Tensor& queries, const at::Tensor& keys);
  // A decode step; gives the attention of each layer [1, query_heads, head_dim].
  std::vector<at::Tensor> decode();
  Layers fork() const;

  // The numbers of the tokens that a head holds, in their order in the cache.
  std::vector<std::int32_t> held(std::int64_t layer, std::int64_t head) const;
  // Keys of these tokens, and queries of the last `count` tokens read, as the oracle takes them.
  Rows keys(std::int64_t layer, const std::vector<std::int32_t>& tokens) const;
  Rows queries(std::int64_t layer, std::int64_t count) const;
  std::vector<std::int32_t> all_tokens() const;

  methods::AttentionLayer layer(std::int64_t number) const;
  // What the cache takes, less the rows of last pages that hold nothing.
  double held_bytes() const;

  LayersShape shape;
  methods::MethodChoice choice;
  std::shared_ptr<exec::KvMemory> memory;
  exec::KvCache cache;
  std::vector<at::Tensor> q, k, v;  // of each layer, all tokens read
  std::unique_ptr<Measured> measured = std::make_unique<Measured>();

 private:
  Layers(const Layers& other, int);
  at::Tensor run(std::int64_t layer, std::int64_t from, std::int64_t to, std::int64_t prompt_from,
                 bool last, bool decode);
  void draw(std::int64_t tokens);
  void read_prompt(std::int64_t chunk);

  Rng rng_;
  std::shared_ptr<exec::MethodRuntime> runtime_;
  std::shared_ptr<const methods::KvContract> contract_;
};

}  // namespace scsim::test
