// The model runtime: one network for every dense and mixture-of-experts family, as its ModelConfig
// says.
//
//   auto model = Model::load(checkpoint, {.device = at::kCPU});
//   KvCache cache = model->make_cache();
//   at::Tensor logits = model->prefill(tokens, cache, method, measure);       // of the last token
//   for (...) logits = model->decode(token, cache, method, measure);
//
// Norms, projections and mlp are the model's; attention and the cache are the method's
// (exec/api/method_runtime.h). Work is counted to the stage it belongs to: a prefill to generation,
// a decode step to decode, except for the attention of a decode step, which is loading.
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
  std::int64_t max_cached_tokens = 0;  // pages are allocated as they are needed; 0: no limit
};

struct SequenceStep {
  std::span<const std::int32_t> tokens;  // new ones, not empty
  KvCache* cache;
  MethodRuntime* method;
  bool last_chunk = true;
  bool decode = false;  // one token, that the model itself made
};

class Model {
 public:
  static Expected<std::unique_ptr<Model>> load(const Checkpoint& checkpoint,
                                               const ModelOptions& options);
  ~Model();

  const ModelConfig& config() const;
  KvCache make_cache();
  std::int64_t weight_bytes() const;

  // Logits [vocabulary] float32 of the last of `tokens`, which are appended to the cache.
  at::Tensor prefill(std::span<const std::int32_t> tokens, KvCache& cache, MethodRuntime& method,
                     Measure& measure);
  // Logits of every one of them [tokens, vocabulary] (NLL of given answers).
  at::Tensor prefill_all_logits(std::span<const std::int32_t> tokens, KvCache& cache,
                                MethodRuntime& method, Measure& measure);
  at::Tensor decode(std::int32_t token, KvCache& cache, MethodRuntime& method, Measure& measure);
  // Several sequences at once: projections and mlp are batched, attention is each one's own. Logits
  // [sequences, vocabulary] of each one's last token. All steps are of one kind (prefill or decode)
  // for the ledger's sake, or mixed: then a row's work is counted to its kind by its share of rows.
  at::Tensor step(std::span<const SequenceStep> steps, Measure& measure);

 private:
  Model();
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace scsim::exec
