// The four places where a long-context method acts, one per stage of a KV cache's life, and nowhere
// else. The defaults are full attention; a method overrides what it changes.
//
//   generation    attend_prefill()   how new tokens of a prompt attend
//   compression   compress()         what becomes of a layer's cache behind a prefill;
//                 rewrite_prompt()   of the prompt ahead of it
//   retrieval     retrieve()         what an earlier cache is worth to this prompt
//   loading       attend_decode()    what a decode step reads
//
// A method holds no state of a session: what it must remember (an index, page bounds, a query
// window) is a MethodState that lives in the KvCache, is forked with it and whose bytes are
// counted. What outlives sessions, caches of prompts and documents that any of them may meet again,
// the method does hold: recall() and remember() are its ways in and out, and remembered_bytes() its
// size. Stages are entered by the model around the hooks; a method may enter others inside.
// exec/api/attention.h has the attention that counts what it does.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "exec/api/kv_cache.h"
#include "exec/api/measure.h"
#include "exec/api/prompt_tools.h"
#include "traces/expected.h"

namespace scsim::exec {

// One attention layer of one sequence, with its new tokens. Recurrent layers of a hybrid are the
// model's: layers are counted among those that attend, and a cache has these first. q [tokens,
// query_heads, head_dim]; k, v [tokens, kv_heads, head_dim]; RoPE is applied; k and v are not in
// the cache yet. All three may be strided: parts of one matrix.
struct LayerStep {
  std::int64_t layer = 0, num_layers = 0;
  std::int64_t first_position = 0;  // of the first new token, as RoPE saw it
  KvCache& cache;
  at::Tensor q, k, v;
  double scale = 1;
  std::int64_t sliding_window = 0;  // of the model, in tokens, the query's own included; 0: none
  bool first_prefill = false;       // nothing was cached before this prompt
  bool last_chunk = true;           // the prompt ends with these tokens
  Measure& measure;
  // Turns keys [tokens, kv_heads, head_dim] as RoPE would have, had each stood so many tokens
  // later.
  std::function<at::Tensor(const at::Tensor& keys, std::int64_t by)> move_keys = nullptr;
  // Where the rows of q, k and v stand, if rows_into() let only some of the step's tokens come this
  // far; the last of them always does. Empty: they are all there.
  std::span<const std::int64_t> positions = {};
};

// A prompt as retrieval sees it: all its tokens, and which runs of them are documents that other
// prompts may have elsewhere, ascending and apart.
struct RecalledPrompt {
  std::span<const std::int32_t> tokens;
  std::span<const TokenRange> documents = {};
};

// The cache of some tokens by themselves, prefilled from position 0 with full attention. Fails as
// Model::prefill() does.
using PrefillAlone = std::function<Expected<KvCache>(std::span<const std::int32_t> tokens)>;

class MethodRuntime {
 public:
  virtual ~MethodRuntime() = default;

  // Puts k and v into the cache and gives the attention of the new tokens [tokens, query_heads,
  // head_dim]; an undefined tensor if no page was left. Default: all of them, dense and causal.
  virtual at::Tensor attend_prefill(LayerStep& step);
  // Called after attend_prefill() of each layer; false if no page was left. Default: nothing.
  [[nodiscard]] virtual bool compress(LayerStep& step);
  // Puts k and v of one token into the cache and gives its attention [1, query_heads, head_dim], or
  // an undefined tensor. Default: reads all of it.
  virtual at::Tensor attend_decode(LayerStep& step);
  // How many of the first tokens of `prompt` need no prefill, given a cache of `cached` tokens; the
  // caller goes on with cache.fork_prefix() of them. At most all but the prompt's last, whose
  // logits are wanted. Default: the common prefix, or if the cache is not dense: all of it or 0;
  // where the model has recurrent layers no more than KvCache::longest_prefix() of it.
  virtual std::int64_t retrieve(const KvCache& cache, std::span<const std::int32_t> cached,
                                std::span<const std::int32_t> prompt, Measure& measure);
  // Called ahead of the prefill of a prompt of which `cache` holds the first tokens_seen(). What
  // the method knows of the rest: it may put a cache in its place that holds more, never all, and
  // lay ready in it, as a MethodState, what it knows of documents behind that; the caller goes on
  // with the tokens that the cache then lacks. Default: nothing.
  [[nodiscard]] virtual Expected<void> recall(KvCache& cache, const RecalledPrompt& prompt,
                                              const PrefillAlone& prefill_alone, Measure& measure);
  // Called behind it, with the cache of exactly these tokens. Default: forgets it.
  virtual void remember(const KvCache& cache, std::span<const std::int32_t> tokens,
                        Measure& measure);
  // Of KV that the method holds beside the caches of sessions; pages that those hold too count.
  virtual std::int64_t remembered_bytes() const { return 0; }
  // Asked ahead of each attention layer of a prefill: which of the rows at these positions go into
  // it and on behind it, as ascending numbers of rows, the last one always among them. The others
  // are not computed any further: what the layers to come hold of them attend_prefill() must find
  // elsewhere. Nothing: all of them, the default. REQUIRES: no layer is recurrent.
  virtual std::optional<std::vector<std::int64_t>> rows_into(
      std::int64_t layer, std::span<const std::int64_t> positions, KvCache& cache);
  // Called ahead of each session, outside of its clock: opens what rewrite_prompt() will ask of
  // other models. Default: nothing.
  [[nodiscard]] virtual Expected<void> prepare(PromptTools& tools);
  // Called behind recall(): the tokens to prefill, one at least, in place of those of a prompt that
  // the cache lacks (prompt compression). `fresh` are these and the documents in them; `first`: the
  // cache has nothing. A method that changes them gives retrieve() a meaning of its own, since the
  // tokens `cached` are those of prompts as they came. Default: as they are.
  [[nodiscard]] virtual Expected<std::vector<std::int32_t>> rewrite_prompt(
      const RecalledPrompt& fresh, bool first, PromptTools& tools, Measure& measure);
};

}  // namespace scsim::exec
