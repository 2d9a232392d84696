// Which tokens LLMLingua keeps, given a model that reads them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "exec/api/prompt_tools.h"
#include "methods/llmlingua/settings.h"

namespace scsim::methods {

struct LinguaTokens {
  exec::TokenReader& reader;  // that has read nothing
  std::span<const std::int32_t> tokens;
  double target = 0;  // tokens that are to stay
  std::int64_t segment = 100;
};

// Positions of the tokens that stay, ascending. Fails as reading does.
//
// The paper's rule (algorithm 2): a segment is scored behind what stayed of those before it, and of
// its m tokens the ceil(m * target / all) least probable stay, the earlier one of two alike.
Expected<std::vector<std::int64_t>> keep_as_in_paper(const LinguaTokens& of,
                                                     exec::Measure& measure);
// What llmlingua 0.2.2 does with one context. Its ways, each of which changes what stays:
// - a first pass scores all tokens, and the threshold of a segment is a quantile over those scores,
//   of tokens to come and of what stayed before, whichever segment they are in;
// - whether a token stays is decided by how surprising the one behind it is; the last one stays;
// - the rate is target / (all + 3), the first segment has a token less than the others, and the
// last
//   one, where it is not a whole one, stays as it is; so do short texts, but for a token or two.
Expected<std::vector<std::int64_t>> keep_as_released(const LinguaTokens& of,
                                                     exec::Measure& measure);

// Which documents stay, ascending: in descending order of their mean surprise until they have more
// than `budget` tokens (algorithm 1).
std::vector<std::size_t> keep_documents(std::span<const double> surprises,
                                        std::span<const std::int64_t> tokens, double budget);

}  // namespace scsim::methods
