// Scores are sums over all queries, so every prefill is followed by a second pass over its logits,
// with the LSE of the first, and every decode step by one over its own. Beside the cache each head
// remembers of its tokens their score and their number in the text, which tells what is recent.
#include "methods/runtime.h"

#include <ATen/ATen.h>

#include <limits>
#include <optional>
#include <span>
#include <vector>

#include "exec/api/attention.h"
#include "methods/drop_one.h"
#include "methods/highest.h"

namespace scsim::methods {
namespace {

struct HeavyTokens final : exec::MethodState {
  // Of each layer, as the cache holds its tokens.
  struct Layer {
    at::Tensor scores;   // [heads, held] float
    at::Tensor numbers;  // [heads, held] int32
  };
  std::vector<Layer> layers;

  std::unique_ptr<MethodState> clone() const override {
    auto copy = std::make_unique<HeavyTokens>();
    for (const Layer& layer : layers) {
      copy->layers.push_back(
          layer.scores.defined() ? Layer{layer.scores.clone(), layer.numbers.clone()} : Layer{});
    }
    return copy;
  }
  std::int64_t bytes() const override {
    std::int64_t bytes = 0;
    for (const Layer& layer : layers) {
      if (!layer.scores.defined()) continue;
      bytes += static_cast<std::int64_t>(layer.scores.nbytes() + layer.numbers.nbytes());
    }
    return bytes;
  }
};

class H2oRuntime final : public exec::MethodRuntime {
 public:
  explicit H2oRuntime(const MethodParameters& parameters)
      : budget_(static_cast<std::int64_t>(parameters.at("budget"))),
        recent_(static_cast<std::int64_t>(parameters.at("recent") * parameters.at("budget"))),
        means_(parameters.at("score") == 1),
        each_(parameters.at("group") == 1) {}

  at::Tensor attend_prefill(exec::LayerStep& step) override;
  bool compress(exec::LayerStep& step) override;
  at::Tensor attend_decode(exec::LayerStep& step) override;
  // All of the cache or nothing: scores of a prefix would still have the weights of what followed.
  std::int64_t retrieve(const exec::KvCache& cache, std::span<const std::int32_t> cached,
                        std::span<const std::int32_t> prompt, exec::Measure& measure) override {
    const std::int64_t found = MethodRuntime::retrieve(cache, cached, prompt, measure);
    return found == cache.tokens_seen() ? found : 0;
  }

 private:
  void remember(exec::LayerStep& step, const exec::CacheView& view, const at::Tensor& lse) const;
  std::vector<float> worth(const HeavyTokens::Layer& held, std::int64_t head,
                           std::int64_t seen) const;

  std::int64_t budget_, recent_;
  bool means_, each_;
};

HeavyTokens::Layer& heavy_tokens(exec::LayerStep& step) {
  auto* state = dynamic_cast<HeavyTokens*>(step.cache.mutable_method_state());
  if (state == nullptr) {
    auto made = std::make_unique<HeavyTokens>();
    made->layers.resize(static_cast<std::size_t>(step.num_layers));
    state = made.get();
    step.cache.set_method_state(std::move(made));
  }
  return state->layers[static_cast<std::size_t>(step.layer)];
}

// Adds the weights of the step's queries to the scores of all tokens held, and the new tokens.
void H2oRuntime::remember(exec::LayerStep& step, const exec::CacheView& view,
                          const at::Tensor& lse) const {
  const exec::MeasuredStage stage(step.measure, Stage::kCompression);
  at::Tensor weights = exec::score_keys(step, view, step.q, lse).columns.cpu();
  if (!each_) weights = weights.view({step.k.size(1), -1, weights.size(1)}).mean(1);
  const std::int64_t heads = weights.size(0), fresh = step.q.size(0);
  const at::Tensor numbers =
      at::arange(step.first_position, step.first_position + fresh, at::kInt).expand({heads, -1});
  HeavyTokens::Layer& held = heavy_tokens(step);
  if (held.scores.defined()) {
    held.scores = at::cat({held.scores, at::zeros({heads, fresh})}, 1).add_(weights);
    held.numbers = at::cat({held.numbers, numbers}, 1);
  } else {
    held.scores = weights.contiguous();
    held.numbers = numbers.contiguous();
  }
}

// What each token of a head is kept for when `seen` tokens have been read.
std::vector<float> H2oRuntime::worth(const HeavyTokens::Layer& held, std::int64_t head,
                                     std::int64_t seen) const {
  const std::int64_t tokens = held.scores.size(1);
  const float* scores = held.scores.const_data_ptr<float>() + head * tokens;
  const std::int32_t* numbers = held.numbers.const_data_ptr<std::int32_t>() + head * tokens;
  std::vector<float> worth;
  for (std::int64_t i = 0; i < tokens; ++i) {
    const std::int64_t queries = seen - numbers[i];  // that could see it, its own the first
    worth.push_back(queries <= recent_ ? std::numeric_limits<float>::infinity()
                    : means_           ? scores[i] / static_cast<float>(queries)
                                       : scores[i]);
  }
  return worth;
}

at::Tensor H2oRuntime::attend_prefill(exec::LayerStep& step) {
  if (!step.cache.append(step.layer, step.k, step.v, step.measure)) return {};
  const std::optional<exec::CacheView> view = step.cache.view(step.layer, step.measure);
  if (!view) return {};
  const exec::Attention attention = exec::attend(step, *view);
  if (step.sliding_window == 0) remember(step, *view, attention.lse);
  return attention.out;
}

bool H2oRuntime::compress(exec::LayerStep& step) {
  exec::KvCache& cache = step.cache;
  const std::int64_t held = cache.length(step.layer, 0);
  if (!step.last_chunk || held <= budget_ || step.sliding_window > 0) return true;
  if (each_) cache.expand_heads(step.layer, step.q.size(1));
  HeavyTokens::Layer& heavy = heavy_tokens(step);
  std::vector<at::Tensor> scores, numbers;
  for (std::int64_t h = 0; h < cache.heads(step.layer); ++h) {
    const std::vector<std::int32_t> kept =
        highest(worth(heavy, h, step.first_position + step.q.size(0)), budget_);
    if (!cache.keep(step.layer, h, kept, step.measure)) return false;
    const at::Tensor index = at::tensor(kept, at::kInt);
    scores.push_back(heavy.scores[h].index_select(0, index));
    numbers.push_back(heavy.numbers[h].index_select(0, index));
  }
  heavy = {at::stack(scores), at::stack(numbers)};
  return true;
}

at::Tensor H2oRuntime::attend_decode(exec::LayerStep& step) {
  exec::KvCache& cache = step.cache;
  if (!cache.append(step.layer, step.k, step.v, step.measure)) return {};
  std::optional<exec::CacheView> view = cache.view(step.layer, step.measure);
  if (!view) return {};
  const exec::Attention attention = exec::attend_one(step, *view);
  if (step.sliding_window > 0) return attention.out;
  remember(step, *view, attention.lse);
  view.reset();
  const std::int64_t held = cache.length(step.layer, 0);
  if (held <= budget_) return attention.out;

  if (each_) cache.expand_heads(step.layer, step.q.size(1));
  HeavyTokens::Layer& heavy = heavy_tokens(step);
  std::vector<std::int32_t> dropped;
  for (std::int64_t h = 0; h < cache.heads(step.layer); ++h) {
    dropped.push_back(lowest(worth(heavy, h, step.first_position + 1)));
    // As drop_one(): the last one in the place of the one that goes.
    heavy.scores[h][dropped.back()].copy_(heavy.scores[h][held - 1]);
    heavy.numbers[h][dropped.back()].copy_(heavy.numbers[h][held - 1]);
  }
  heavy = {heavy.scores.narrow(1, 0, held - 1).contiguous(),
           heavy.numbers.narrow(1, 0, held - 1).contiguous()};
  return drop_one(step, dropped) ? attention.out : at::Tensor();
}

}  // namespace

MethodRuntimeEntry h2o_runtime() {
  return {.name = "h2o",
          .make = [](const MethodParameters& given) -> std::unique_ptr<exec::MethodRuntime> {
            return std::make_unique<H2oRuntime>(given);
          }};
}

}  // namespace scsim::methods
