// The four places where a long-context method acts, one per stage of a KV cache's life, and nowhere
// else. The defaults are full attention; a method overrides what it changes.
//
//   generation    attend_prefill()   how new tokens of a prompt attend; rewrite_prompt()
//   compression   compress()         what becomes of a layer's cache behind a prefill
//   retrieval     retrieve()         what an earlier cache is worth to this prompt
//   loading       attend_decode()    what a decode step reads
//
// A method holds no state of a session: what it must remember (an index, page bounds, a query
// window) is a MethodState that lives in the KvCache, is forked with it and whose bytes are
// counted.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "exec/api/kv_cache.h"
#include "exec/api/measure.h"

namespace scsim::exec {

// One layer of one sequence, with its new tokens. q [tokens, query_heads, head_dim]; k, v
// [tokens, kv_heads, head_dim]; RoPE is applied; k and v are not in the cache yet.
struct LayerStep {
  std::int64_t layer = 0, num_layers = 0;
  std::int64_t first_position = 0;  // of the first new token, as RoPE saw it
  KvCache& cache;
  at::Tensor q, k, v;
  double scale = 1;
  bool first_prefill = false;  // nothing was cached before this prompt
  bool last_chunk = true;      // the prompt ends with these tokens
  Measure& measure;
};

class MethodRuntime {
 public:
  virtual ~MethodRuntime() = default;

  // Puts k and v into the cache and gives the attention of the new tokens [tokens, query_heads,
  // head_dim]. Default: all of them, dense and causal.
  virtual at::Tensor attend_prefill(LayerStep& step);
  // Called after attend_prefill() of each layer. Default: nothing.
  virtual void compress(LayerStep& step);
  // Puts k and v of one token into the cache and gives its attention. Default: reads all of it.
  virtual at::Tensor attend_decode(LayerStep& step);
  // The tokens to prefill in place of `prompt` (prompt compression). Default: as they are.
  virtual std::vector<std::int32_t> rewrite_prompt(std::span<const std::int32_t> prompt,
                                                   Measure& measure);
};

}  // namespace scsim::exec
