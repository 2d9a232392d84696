// Caches of documents, used again wherever the documents stand: what CacheBlend and EPIC share.
//
// A document is cut into chunks, each prefilled once by itself and kept for all sessions. A prompt
// that has chunks computes only some of their rows; the keys and values of all others are the
// stored ones, the keys turned to where the chunk now stands. So what a prompt gets depends on the
// prompt alone and not on what came before it, and a chunk that is met for the first time costs its
// own prefill besides.
//
//   class EpicRuntime final : public ChunkReuse {
//     std::optional<...> rows_into(layer, positions, cache) override;   // which rows are computed
//
// On a cache with recurrent layers nothing is reused: a state has read all that was before it.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "exec/api/method_runtime.h"
#include "methods/cache_store.h"
#include "methods/chunk_parameters.h"

namespace scsim::methods {

struct Chunk {
  exec::TokenRange at;     // in the prompt
  std::int64_t first = 0;  // number of its first token in the cache; those before it were its lead
  std::shared_ptr<const exec::KvCache> cache;
};

// What a prompt under way has of chunks; gone when it is prefilled.
struct ChunkState final : public exec::MethodState {
  std::vector<Chunk> chunks;         // ascending
  std::vector<std::int64_t> onward;  // positions that go on, where the data decide
  const Chunk* chunk_of(std::int64_t position) const;  // null: it is in none
  std::unique_ptr<exec::MethodState> clone() const override {
    return std::make_unique<ChunkState>(*this);
  }
  // The chunks' pages are the store's, or the prompt's only until it is prefilled.
  std::int64_t bytes() const override {
    return static_cast<std::int64_t>(onward.size() * sizeof(onward.front()));
  }
};

class ChunkReuse : public exec::MethodRuntime {
 public:
  explicit ChunkReuse(const ChunkParameters& parameters)
      : parameters_(parameters), store_(parameters.capacity_bytes) {}

  Expected<void> recall(exec::KvCache& cache, const exec::RecalledPrompt& prompt,
                        const exec::PrefillAlone& prefill_alone, exec::Measure& measure) override;
  at::Tensor attend_prefill(exec::LayerStep& step) override;
  bool compress(exec::LayerStep& step) override;
  std::int64_t remembered_bytes() const override { return store_.bytes(); }

 protected:
  // Called behind the attention of a layer where the prompt has chunks.
  virtual void attended(exec::LayerStep& step, ChunkState& state);
  // The layer's keys, turned to where they stand now, and values of some tokens of a chunk, by
  // their positions in the prompt: [tokens, kv_heads, head_dim] each.
  static std::pair<at::Tensor, at::Tensor> stored(const exec::LayerStep& step, const Chunk& chunk,
                                                  exec::TokenRange positions);

 private:
  Expected<std::shared_ptr<const exec::KvCache>> cache_of(std::span<const std::int32_t> tokens,
                                                          const exec::PrefillAlone& prefill_alone);
  at::Tensor attend_rows(exec::LayerStep& step, const ChunkState& state);

  ChunkParameters parameters_;
  CacheStore store_;
};

}  // namespace scsim::methods
