// LLMLingua: a causal language model reads the documents ahead of the prefill, and what it could
// have guessed is left out of them. First whole documents go (the budget controller), then tokens,
// segment by segment. See README.md beside this.
#include <algorithm>
#include <cmath>
#include <filesystem>

#include "methods/llmlingua/settings.h"
#include "methods/rewriting_contract.h"

namespace scsim::methods {
namespace {

class LinguaContract final : public RewritingContract {
 public:
  explicit LinguaContract(LinguaSettings settings) : settings_(std::move(settings)) {}

  // The model itself reads them: each document once to choose among them, the chosen ones segment
  // by segment, and what stays of each segment once more, ahead of the next one.
  int extra_passes() const override {
    return settings_.rate < 1 && settings_.model.empty() ? 1 : 0;
  }
  Rewriting rewrite(Tokens compressible) const override {
    const std::int64_t all = compressible.value();
    if (settings_.rate >= 1 || all == 0) return KvContract::rewrite(compressible);
    const double target = settings_.target(all);
    Rewriting found{.least = Tokens{1}, .most = compressible, .aimed = whole(target), .read = {}};
    // A segment keeps its share, rounded up. Another model's tokens are not ours.
    if (settings_.rule == LinguaRule::kPaper && settings_.model.empty()) {
      found.least = whole(target);
      const std::int64_t segments = (all + settings_.segment - 1) / settings_.segment;
      found.most =
          Tokens{std::min(all, static_cast<std::int64_t>(std::floor(target + 1e-9)) + segments)};
    }
    const std::int64_t ranking = settings_.chooses_documents() ? all : 0;
    // The released rule begins with a pass over all, and reads every segment again behind it.
    const std::int64_t first = settings_.rule == LinguaRule::kReleased ? all : 0;
    found.read = Tokens{ranking + first + all} + found.most;
    return found;
  }

 private:
  static Tokens whole(double tokens) {
    return Tokens{std::max<std::int64_t>(1, static_cast<std::int64_t>(std::ceil(tokens - 1e-9)))};
  }

  LinguaSettings settings_;
};

Expected<void> check(const MethodParameters& parameters) {
  const std::string& model = parameters.text("model");
  if (model.empty() || std::filesystem::exists(model)) return {};
  return Error{"model: there is no file or folder " + model};
}

}  // namespace

MethodEntry llmlingua_method() {
  return {
      .name = "llmlingua",
      .sentence = "leaves out of documents what a language model could have guessed",
      .category = "prompt compression",
      .source = "Jiang et al. 2023, arXiv 2310.05736; github.com/microsoft/LLMLingua",
      .parameters = lingua_parameters(),
      .make_contract = [](const MethodParameters& given) -> std::unique_ptr<KvContract> {
        return std::make_unique<LinguaContract>(lingua_settings(given));
      },
      .presets = {{.name = "paper", .sentence = "segments of 100, twice the budget of documents"},
                  {.name = "released",
                   .sentence = "as llmlingua 0.2.2 does by default",
                   .numbers = {{"segment", 200},
                               {"budget_factor", 1},
                               {"budget_extra", 100},
                               {"rule", 1}}}},
      .small = {"rate=0.3,segment=60", "preset=released,segment=60,budget_extra=10"},
      .lossless = {"rate=1"},
      .check = check,
      .needs_attention = false};
}

}  // namespace scsim::methods
