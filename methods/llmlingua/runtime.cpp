#include "methods/runtime.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "methods/llmlingua/rule.h"
#include "methods/llmlingua/settings.h"
#include "methods/rewriting.h"

namespace scsim::methods {
namespace {

using exec::LanguageModel;
using exec::Measure;

class LinguaRuntime final : public RewritingRuntime {
 public:
  explicit LinguaRuntime(LinguaSettings settings) : settings_(std::move(settings)) {}

  Expected<void> prepare(exec::PromptTools& tools) override {
    const auto model = tools.model_at(settings_.model);
    if (!model) return model.error();
    return {};
  }

 private:
  Expected<Documents> compressed(const Documents& documents, exec::PromptTools& tools,
                                 Measure& measure) override {
    if (settings_.rate >= 1) return documents;
    const Expected<LanguageModel*> found = tools.model_at(settings_.model);
    if (!found) return found.error();
    LanguageModel& scorer = **found;
    if (settings_.model.empty()) return shortened(documents, scorer, measure);
    // By way of the texts, as the tokens of another model are others.
    Documents theirs;
    for (const auto& document : documents) {
      theirs.push_back(scorer.encode(tools.model().decode(document)));
    }
    Expected<Documents> kept = shortened(theirs, scorer, measure);
    if (!kept) return kept.error();
    for (std::size_t i = 0; i < documents.size(); ++i) {
      std::vector<std::int32_t> ours = tools.model().encode(scorer.decode((*kept)[i]));
      // Parts of words may be more tokens than the words were.
      (*kept)[i] = ours.size() < documents[i].size() ? std::move(ours) : documents[i];
    }
    return kept;
  }

  Expected<Documents> shortened(const Documents& documents, LanguageModel& scorer,
                                Measure& measure) const {
    std::int64_t all = 0;
    for (const auto& document : documents) all += std::ssize(document);
    const Expected<std::vector<std::size_t>> chosen =
        choose(documents, settings_.budget(all), scorer, measure);
    if (!chosen) return chosen.error();
    std::vector<std::int32_t> tokens;
    for (const std::size_t i : *chosen) {
      tokens.insert(tokens.end(), documents[i].begin(), documents[i].end());
    }
    const std::unique_ptr<exec::TokenReader> reader = scorer.reader();
    const LinguaTokens of{
        .reader = *reader,
        .tokens = tokens,
        .target = std::min(settings_.target(all), static_cast<double>(tokens.size())),
        .segment = settings_.segment};
    const auto kept = settings_.rule == LinguaRule::kPaper ? keep_as_in_paper(of, measure)
                                                           : keep_as_released(of, measure);
    if (!kept) return kept.error();
    Documents short_ones(documents.size());
    auto at = kept->begin();
    std::int64_t end = 0;
    for (const std::size_t i : *chosen) {
      end += std::ssize(documents[i]);
      for (; at != kept->end() && *at < end; ++at) {
        short_ones[i].push_back(tokens[static_cast<std::size_t>(*at)]);
      }
    }
    return short_ones;
  }

  Expected<std::vector<std::size_t>> choose(const Documents& documents, double budget,
                                            LanguageModel& scorer, Measure& measure) const {
    std::vector<std::size_t> all(documents.size());
    std::iota(all.begin(), all.end(), 0);
    if (!settings_.chooses_documents() || documents.size() < 2) return all;
    std::vector<double> surprises;
    std::vector<std::int64_t> tokens;
    for (const auto& document : documents) {
      const auto known = scorer.reader()->read(document, measure);
      if (!known) return known.error();
      double sum = 0;
      for (std::size_t t = 1; t < known->size(); ++t) sum -= (*known)[t];
      surprises.push_back(sum / std::max<double>(1, static_cast<double>(known->size()) - 1));
      tokens.push_back(std::ssize(document));
    }
    return keep_documents(surprises, tokens, budget);
  }

  LinguaSettings settings_;
};

}  // namespace

MethodRuntimeEntry llmlingua_runtime() {
  return {.name = "llmlingua",
          .make = [](const MethodParameters& given) -> std::unique_ptr<exec::MethodRuntime> {
            return std::make_unique<LinguaRuntime>(lingua_settings(given));
          }};
}

}  // namespace scsim::methods
