#include "exec/model/token_reader.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <limits>
#include <utility>

namespace scsim::exec {
namespace {

constexpr std::size_t kChunk = 256;  // rows of logits at a time

// The last token that was read waits outside of the cache: it is computed together with the next
// ones, whose first it predicts, so that each token goes through the model once.
class ModelReader final : public TokenReader {
 public:
  ModelReader(Model& model, KvCache cache, std::vector<std::int32_t> waiting)
      : model_(model), cache_(std::move(cache)), waiting_(std::move(waiting)) {}

  Expected<std::vector<float>> read(std::span<const std::int32_t> tokens,
                                    Measure& measure) override {
    std::vector<float> found;
    if (tokens.empty()) return found;
    if (waiting_.empty()) {
      found.push_back(-std::numeric_limits<float>::infinity());
      waiting_.push_back(tokens.front());
      tokens = tokens.subspan(1);
    }
    // The model counts a prefill as such; here it is part of another stage.
    const std::unique_ptr<Timeline> timeline = wall_timeline();
    StageClock clock(*timeline);
    PerStage<StageCounts> counts{};
    Measure aside{clock, counts};
    clock.start();
    Expected<void> done;
    while (done && !tokens.empty()) {
      const auto next = tokens.first(std::min(kChunk, tokens.size()));
      done = read_some(next, aside, found);
      tokens = tokens.subspan(next.size());
    }
    clock.stop();
    for (const StageCounts& of : counts) measure.now() += of;
    if (!done) return done.error();
    return found;
  }

  std::unique_ptr<TokenReader> fork() const override {
    return std::make_unique<ModelReader>(model_, cache_.fork(), waiting_);
  }

 private:
  Expected<void> read_some(std::span<const std::int32_t> next, Measure& measure,
                           std::vector<float>& found) {
    std::vector<std::int32_t> rows = waiting_;
    rows.insert(rows.end(), next.begin(), next.end() - 1);
    MethodRuntime full;
    const Expected<at::Tensor> logits = model_.prefill_all_logits(rows, cache_, full, measure);
    if (!logits) return logits.error();
    // What the model is not asked for it need not know: this one is never computed, only looked up.
    if (next.back() < 0 || next.back() >= logits->size(1)) {
      return Error{"token " + std::to_string(next.back()) + " is none of the " +
                   std::to_string(logits->size(1)) + " that " + model_.config().name + " knows"};
    }
    const at::Tensor wanted =
        at::tensor(at::ArrayRef<std::int32_t>(next.data(), next.size()), at::kLong)
            .to(logits->device())
            .unsqueeze(1);
    const at::Tensor known =
        (logits->gather(1, wanted).squeeze(1) - logits->logsumexp(1)).cpu().contiguous();
    found.insert(found.end(), known.const_data_ptr<float>(),
                 known.const_data_ptr<float>() + known.numel());
    waiting_ = {next.back()};
    return {};
  }

  Model& model_;
  KvCache cache_;
  std::vector<std::int32_t> waiting_;  // one token, or none while nothing was read
};

}  // namespace

std::unique_ptr<TokenReader> make_token_reader(Model& model) {
  return std::make_unique<ModelReader>(model, model.make_cache(), std::vector<std::int32_t>{});
}

}  // namespace scsim::exec
