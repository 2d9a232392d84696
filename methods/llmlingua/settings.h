// What LLMLingua is set by.
#pragma once

#include <cstdint>
#include <string>

#include "methods/method.h"

namespace scsim::methods {

enum class LinguaRule : std::uint8_t { kPaper, kReleased };  // methods/llmlingua/rule.h

struct LinguaSettings {
  LinguaRule rule = LinguaRule::kPaper;
  double rate = 0.5;           // of the tokens of all documents
  std::int64_t segment = 100;  // tokens
  // Documents come whole, those of the highest perplexity first, until they have more than
  // factor * rate * all tokens + extra; factor 0: all of them.
  double budget_factor = 2, budget_extra = 0;
  std::string model = "";  // the scorer's path; empty: the model itself

  bool chooses_documents() const { return budget_factor > 0 && rate < 1; }
  // Tokens that are to stay of `all`.
  double target(std::int64_t all) const { return rate * static_cast<double>(all); }
  double budget(std::int64_t all) const { return budget_factor * target(all) + budget_extra; }
};

std::vector<MethodParameter> lingua_parameters();
LinguaSettings lingua_settings(const MethodParameters& parameters);

}  // namespace scsim::methods
