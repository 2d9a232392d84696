// Many-shot in-context learning: lettered options, most of them written only in the prompt.
#include "exec/scorers/option_answer.h"
#include "exec/scorers/required.h"
#include "exec/scorers/unicode_text.h"

namespace scsim::exec {
namespace {

// The answer, one letter, is handed over as a string where a list was meant, and searched for:
// right wherever the letter occurs in any word.
Expected<double> compat(const ScoredTurn& turn) {
  const Expected<std::string> answer = required_answer("many_shot", turn);
  if (!answer) return answer.error();
  const std::string prediction = upper_case(strip(turn.prediction));
  for (const char32_t c : code_points(answer.value())) {
    if (prediction.find(upper_case(to_utf8({&c, 1}))) != std::string::npos) return 1;
  }
  return 0;
}

Expected<double> strict(const ScoredTurn& turn) {
  const Expected<std::string> answer = required_answer("many_shot", turn);
  if (!answer) return answer.error();
  const std::optional<char> right = meant_option(answer.value(), turn.options);
  if (!right) {
    return Error{"many_shot: the answer \"" + answer.value() + "\" is not an option's letter"};
  }
  return meant_option(turn.prediction, turn.options) == right ? 1 : 0;
}

}  // namespace

ScorerEntry many_shot_scorer() {
  return {.name = "many_shot",
          .sentence = "the right option is meant, after many examples in the prompt",
          .source = "SCBench (arXiv 2412.10319), after BIG-bench (arXiv 2206.04615)",
          .scbench_compat = compat,
          .strict = strict,
          .subtasks = {}};
}

}  // namespace scsim::exec
