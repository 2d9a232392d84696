// Key-value retrieval: is the value in the prediction?
#include "exec/scorers/required.h"
#include "exec/scorers/unicode_text.h"

namespace scsim::exec {
namespace {

// Anywhere, so that the start of a longer value, or its end, is right too.
Expected<double> compat(const ScoredTurn& turn) {
  const Expected<std::string> answer = required_answer("kv", turn);
  if (!answer) return answer.error();
  return turn.prediction.find(answer.value()) != std::string_view::npos ? 1 : 0;
}

Expected<double> strict(const ScoredTurn& turn) {
  const Expected<std::string> answer = required_answer("kv", turn);
  if (!answer) return answer.error();
  return contains_bounded(turn.prediction, answer.value()) ? 1 : 0;
}

}  // namespace

ScorerEntry kv_scorer() {
  return {.name = "kv",
          .sentence = "the value asked for is in the prediction",
          .source = "SCBench (arXiv 2412.10319), after Lost in the Middle (arXiv 2307.03172)",
          .scbench_compat = compat,
          .strict = strict,
          .subtasks = {}};
}

}  // namespace scsim::exec
