#include "methods/chunk_reuse.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <utility>

#include "exec/api/attention.h"

namespace scsim::methods {
namespace {

using exec::KvCache;
using exec::LayerStep;
using exec::TokenRange;

bool has_recurrent_layers(const KvCache& cache) {
  for (std::int64_t layer = 0; layer < cache.layers(); ++layer) {
    if (cache.heads(layer) == 0) return true;
  }
  return false;
}

// Chunks of documents that begin behind what is cached.
std::vector<TokenRange> cut(std::span<const TokenRange> documents, std::int64_t cached,
                            std::int64_t chunk_tokens) {
  std::vector<TokenRange> chunks;
  for (const TokenRange& document : documents) {
    const std::int64_t length = document.end - document.begin;
    const std::int64_t step = chunk_tokens == 0 ? std::max<std::int64_t>(1, length) : chunk_tokens;
    for (std::int64_t begin = document.begin; begin < document.end; begin += step) {
      if (begin < cached) continue;
      chunks.push_back({.begin = begin, .end = std::min(begin + step, document.end)});
    }
  }
  return chunks;
}

}  // namespace

const Chunk* ChunkState::chunk_of(std::int64_t position) const {
  const auto after = std::ranges::upper_bound(chunks, position, {},
                                              [](const Chunk& chunk) { return chunk.at.begin; });
  if (after == chunks.begin() || position >= std::prev(after)->at.end) return nullptr;
  return &*std::prev(after);
}

Expected<std::shared_ptr<const KvCache>> ChunkReuse::cache_of(
    std::span<const std::int32_t> tokens, const exec::PrefillAlone& prefill_alone) {
  if (const KvCache* known = store_.find(tokens)) {
    return std::make_shared<const KvCache>(known->fork());
  }
  Expected<KvCache> cache = prefill_alone(tokens);
  if (!cache) return cache.error();
  auto shared = std::make_shared<const KvCache>(cache->fork());
  store_.put(tokens, *std::move(cache));
  return shared;
}

Expected<void> ChunkReuse::recall(KvCache& cache, const exec::RecalledPrompt& prompt,
                                  const exec::PrefillAlone& prefill_alone, exec::Measure&) {
  if (prompt.documents.empty() || has_recurrent_layers(cache)) return {};
  const std::int64_t last = std::ssize(prompt.tokens) - 1;  // which is always computed
  const auto lead =
      static_cast<std::size_t>(std::min(parameters_.lead_tokens, prompt.documents.front().begin));
  auto state = std::make_unique<ChunkState>();
  for (const TokenRange& at :
       cut(prompt.documents, cache.tokens_seen(), parameters_.chunk_tokens)) {
    if (at.begin >= last) continue;
    std::vector<std::int32_t> tokens(prompt.tokens.begin(), prompt.tokens.begin() + lead);
    tokens.insert(tokens.end(), prompt.tokens.begin() + at.begin, prompt.tokens.begin() + at.end);
    const auto known = cache_of(tokens, prefill_alone);
    if (!known) return known.error();
    const std::int64_t end = std::min(at.end, last);
    if (at.begin == 0 && cache.tokens_seen() == 0) {
      cache = (*known)->fork_prefix(end);  // there is nothing before it that it has not seen
      continue;
    }
    state->chunks.push_back({.at = {.begin = at.begin, .end = end},
                             .first = static_cast<std::int64_t>(lead),
                             .cache = *known});
  }
  if (!state->chunks.empty()) cache.set_method_state(std::move(state));
  return {};
}

at::Tensor ChunkReuse::attend_prefill(LayerStep& step) {
  auto* state = static_cast<ChunkState*>(step.cache.mutable_method_state());
  if (state == nullptr) return MethodRuntime::attend_prefill(step);
  at::Tensor out =
      step.positions.empty() ? MethodRuntime::attend_prefill(step) : attend_rows(step, *state);
  if (out.defined()) attended(step, *state);
  return out;
}

void ChunkReuse::attended(LayerStep&, ChunkState&) {}

bool ChunkReuse::compress(LayerStep& step) {
  if (step.layer + 1 < step.num_layers || step.cache.method_state() == nullptr) return true;
  if (step.last_chunk) {
    step.cache.set_method_state(nullptr);
  } else {
    static_cast<ChunkState*>(step.cache.mutable_method_state())->onward.clear();
  }
  return true;
}

std::pair<at::Tensor, at::Tensor> ChunkReuse::stored(const LayerStep& step, const Chunk& chunk,
                                                     TokenRange positions) {
  std::vector<at::Tensor> keys, values;
  for (std::int64_t h = 0; h < chunk.cache->kv_heads(); ++h) {
    auto [k, v] = chunk.cache->rows(step.layer, h, positions.begin - chunk.at.begin + chunk.first,
                                    positions.end - positions.begin);
    keys.push_back(std::move(k));
    values.push_back(std::move(v));
  }
  return {step.move_keys(at::stack(keys, 1), chunk.at.begin - chunk.first), at::stack(values, 1)};
}

// Rows that are computed take their places among those that are not.
at::Tensor ChunkReuse::attend_rows(LayerStep& step, const ChunkState& state) {
  const std::int64_t begin = step.first_position, end = step.positions.back() + 1;
  {
    const exec::MeasuredStage stage(step.measure, Stage::kRetrieval);
    const exec::MeasuredPart part(step.measure, "stored chunks");
    at::Tensor k = at::empty({end - begin, step.k.size(1), step.k.size(2)}, step.k.options());
    at::Tensor v = at::empty_like(k);
    for (const Chunk& chunk : state.chunks) {
      const TokenRange here{.begin = std::max(begin, chunk.at.begin),
                            .end = std::min(end, chunk.at.end)};
      if (here.begin >= here.end) continue;
      const auto [keys, values] = stored(step, chunk, here);
      k.narrow(0, here.begin - begin, here.end - here.begin).copy_(keys);
      v.narrow(0, here.begin - begin, here.end - here.begin).copy_(values);
      step.measure.now().bytes_moved += static_cast<std::int64_t>(keys.nbytes() + values.nbytes());
    }
    at::Tensor rows = at::empty({std::ssize(step.positions)}, at::kLong);
    std::ranges::transform(step.positions, rows.mutable_data_ptr<std::int64_t>(),
                           [&](std::int64_t at) { return at - begin; });
    rows = rows.to(k.device());
    k.index_copy_(0, rows, step.k.contiguous());
    v.index_copy_(0, rows, step.v.contiguous());
    if (!step.cache.append(step.layer, k, v, step.measure)) return {};
  }
  if (step.measure.selections != nullptr) {
    std::vector<std::int32_t> computed;
    for (const std::int64_t at : step.positions) {
      computed.push_back(static_cast<std::int32_t>(at - begin));
    }
    step.measure.selections->push_back({.layer = step.layer,
                                        .fresh = end - begin,
                                        .cached = begin,
                                        .heads = {std::move(computed)}});
  }
  const std::optional<exec::CacheView> view = step.cache.view(step.layer, step.measure);
  if (!view) return {};
  if (parameters_.causal) return exec::attend(step, *view).out;
  const std::span<const std::int64_t> positions = std::exchange(step.positions, {});
  at::Tensor out = exec::attend(step, *view).out;  // as if the rows were the last tokens
  step.positions = positions;
  return out;
}

}  // namespace scsim::methods
