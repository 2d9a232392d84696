// The model runtime: one network for every family, dense, with experts, recurrent or a hybrid, as
// its ModelConfig says.
//
//   auto model = Model::load(checkpoint, {.device = at::kCPU});
//   KvCache cache = model->make_cache();
//   MethodRuntime full;                                                // full attention
//   Expected<at::Tensor> logits = model->prefill(tokens, cache, full, measure);   // last token's
//   for (...) logits = model->decode(token, cache, full, measure);
//
// Norms, projections, mlp and recurrent layers are the model's; attention and its cache are the
// method's (exec/api/method_runtime.h). Work is counted to the stage it belongs to: a prefill to
// generation, a decode step to decode, except for what reads the cache in a decode step, attention
// and the scan of recurrent layers, which is loading.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <span>

#include "exec/api/kv_cache.h"
#include "exec/api/measure.h"
#include "exec/api/method_runtime.h"
#include "exec/weights/checkpoint.h"
#include "traces/expected.h"

namespace scsim::exec {

struct ModelOptions {
  at::Device device = at::kCPU;
  at::ScalarType type = at::kFloat;
  std::int64_t page_tokens = 64;
  std::int64_t max_cached_tokens = 0;  // of one full cache, in device pages for all layers and
                                       // heads together; pages are allocated as needed; 0: no limit
  std::int64_t chunk_tokens = 0;       // prefill() in chunks of so many tokens; 0: all at once
  // Of recurrent layers the state is saved at every so many tokens, for prompts that share only the
  // beginning to go back to (KvCache::save_point); 0: never, and such a prompt begins anew.
  std::int64_t saved_every = 0;
};

struct SequenceStep {
  std::span<const std::int32_t> tokens;  // new ones, not empty
  KvCache* cache = nullptr;
  MethodRuntime* method = nullptr;
  bool first_prefill = false;  // the cache was empty before this prompt's first chunk
  bool last_chunk = true;
  bool decode = false;  // one token, that the model itself made
};

// Every call that computes fails with a sentence for people if a token is not in the vocabulary
// (nothing was changed) or no KV page is left (its caches are then only good for being dropped).
class Model {
 public:
  static Expected<std::unique_ptr<Model>> load(const Checkpoint& checkpoint,
                                               const ModelOptions& options);
  ~Model();

  const ModelConfig& config() const;
  const ModelOptions& options() const;
  KvCache make_cache();
  KvMemory& memory();  // of all its caches: bytes live and at most
  std::int64_t weight_bytes() const;

  // Logits [vocabulary] float32 of the last of `tokens`, which are appended to the cache.
  // REQUIRES (all three): tokens are not empty.
  Expected<at::Tensor> prefill(std::span<const std::int32_t> tokens, KvCache& cache,
                               MethodRuntime& method, Measure& measure);
  // Logits of every one of them [tokens, vocabulary] (NLL of given answers), or of those that
  // MethodRuntime::rows_into() let go on.
  Expected<at::Tensor> prefill_all_logits(std::span<const std::int32_t> tokens, KvCache& cache,
                                          MethodRuntime& method, Measure& measure);
  // What MethodRuntime::recall() prefills documents with; its work is counted to `measure`.
  PrefillAlone prefill_alone(Measure& measure);
  Expected<at::Tensor> decode(std::int32_t token, KvCache& cache, MethodRuntime& method,
                              Measure& measure);
  // Several sequences at once: projections and mlp are batched, attention is each one's own. Logits
  // [sequences, vocabulary] of each one's last token. Where prefills and decode steps are mixed,
  // counts go to each row's own stage and the seconds of what they share to generation.
  Expected<at::Tensor> step(std::span<const SequenceStep> steps, Measure& measure);

 private:
  Model();
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace scsim::exec
