// How the cache of StreamingLLM goes on without moving tokens: once a head is full, a decode step
// puts the new token in the place of the oldest one behind the sinks. Attention does not ask in
// which order keys lie, and a prompt's tokens are always appended behind all others. When a prompt
// is compressed, what stays is put in order again; in between the cache remembers how many were
// replaced.
#include "methods/runtime.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "exec/api/attention.h"

namespace scsim::methods {
namespace {

struct Replaced final : exec::MethodState {
  std::unique_ptr<MethodState> clone() const override { return std::make_unique<Replaced>(*this); }
  std::int64_t bytes() const override { return sizeof(tokens); }
  std::int64_t tokens = 0;  // since the cache was last in order
};

class StreamingLlmRuntime final : public exec::MethodRuntime {
 public:
  explicit StreamingLlmRuntime(const MethodParameters& parameters)
      : sinks_(static_cast<std::int64_t>(parameters.at("sinks"))),
        window_(static_cast<std::int64_t>(parameters.at("window"))),
        always_(parameters.at("evict") == 1),
        positions_in_cache_(parameters.at("positions") == 1) {}

  bool compress(exec::LayerStep& step) override;
  at::Tensor attend_decode(exec::LayerStep& step) override;

 private:
  bool move_sinks(exec::LayerStep& step, std::int64_t by) const;

  std::int64_t sinks_, window_;
  bool always_, positions_in_cache_;
};

std::int64_t replaced(const exec::KvCache& cache) {
  const auto* state = dynamic_cast<const Replaced*>(cache.method_state());
  return state == nullptr ? 0 : state->tokens;
}

bool StreamingLlmRuntime::compress(exec::LayerStep& step) {
  if (!step.last_chunk || !(always_ || step.first_prefill)) return true;
  // Behind the model's own window nothing is attended, and it is told by counting what is held.
  if (step.sliding_window > 0) return true;
  exec::KvCache& cache = step.cache;
  const std::int64_t held = cache.length(step.layer, 0);
  const std::int64_t evicted = held - sinks_ - window_;
  if (evicted <= 0) return true;

  // Tokens behind the sinks by age: the ring from its oldest on, then what was appended.
  const std::int64_t oldest = replaced(cache) % window_;
  std::vector<std::int32_t> kept;
  const auto keep_range = [&](std::int64_t from, std::int64_t to) {
    for (std::int64_t i = from; i < to; ++i) kept.push_back(static_cast<std::int32_t>(i));
  };
  keep_range(sinks_ + oldest, oldest == 0 ? held : sinks_ + window_);
  if (oldest != 0) {
    keep_range(sinks_, sinks_ + oldest);
    keep_range(sinks_ + window_, held);
  }
  kept.erase(kept.begin(), kept.begin() + evicted);
  std::vector<std::int32_t> sinks;
  for (std::int64_t i = 0; i < sinks_; ++i) sinks.push_back(static_cast<std::int32_t>(i));
  kept.insert(kept.begin(), sinks.begin(), sinks.end());
  for (std::int64_t h = 0; h < cache.heads(step.layer); ++h) {
    if (!cache.keep(step.layer, h, kept, step.measure)) return false;
  }
  if (step.layer + 1 == step.num_layers) cache.set_method_state(nullptr);
  return move_sinks(step, evicted);
}

at::Tensor StreamingLlmRuntime::attend_decode(exec::LayerStep& step) {
  exec::KvCache& cache = step.cache;
  const std::int64_t heads = cache.heads(step.layer);
  if (!always_ || step.sliding_window > 0 || cache.length(step.layer, 0) < sinks_ + window_) {
    return MethodRuntime::attend_decode(step);
  }
  const std::int64_t before = replaced(cache);
  const std::vector<std::int32_t> oldest(static_cast<std::size_t>(heads),
                                         static_cast<std::int32_t>(sinks_ + before % window_));
  if (!cache.overwrite(step.layer, oldest, step.k, step.v, step.measure)) return {};
  if (!move_sinks(step, 1)) return {};
  if (step.layer + 1 == step.num_layers) {
    auto* state = dynamic_cast<Replaced*>(cache.mutable_method_state());
    if (state == nullptr) {
      auto made = std::make_unique<Replaced>();
      state = made.get();
      cache.set_method_state(std::move(made));
    }
    state->tokens = before + 1;
  }
  const std::optional<exec::CacheView> view = cache.view(step.layer, step.measure);
  return view ? exec::attend_one(step, *view).out : at::Tensor();
}

// Turns the sinks' keys as if they stood `by` tokens later: where the cache is what counts, each
// token that leaves brings them nearer to all that follow.
bool StreamingLlmRuntime::move_sinks(exec::LayerStep& step, std::int64_t by) const {
  if (!positions_in_cache_ || sinks_ == 0) return true;
  exec::KvCache& cache = step.cache;
  std::vector<at::Tensor> keys, values;
  std::vector<std::int32_t> positions;
  for (std::int64_t h = 0; h < cache.heads(step.layer); ++h) {
    const auto [k, v] = cache.rows(step.layer, h, 0, sinks_);
    keys.push_back(k);
    values.push_back(v);
    for (std::int64_t i = 0; i < sinks_; ++i) positions.push_back(static_cast<std::int32_t>(i));
  }
  return cache.overwrite(step.layer, positions, step.move_keys(at::stack(keys, 1), by),
                         at::stack(values, 1), step.measure);
}

}  // namespace

MethodRuntimeEntry streaming_llm_runtime() {
  return {.name = "streaming_llm",
          .make = [](const MethodParameters& given) -> std::unique_ptr<exec::MethodRuntime> {
            return std::make_unique<StreamingLlmRuntime>(given);
          }};
}

}  // namespace scsim::methods
