// Questions on an English book.
#include <algorithm>

#include "exec/scorers/overlap.h"
#include "exec/scorers/required.h"
#include "exec/scorers/unicode_text.h"

namespace scsim::exec {
namespace {

// The published routine is a search for the text: no normalisation, no credit for parts, and right
// inside a longer word ("Ann" in "planning").
Expected<double> compat(const ScoredTurn& turn) {
  const Expected<std::string> answer = required_answer("qa_eng", turn);
  if (!answer) return answer.error();
  const std::string prediction = upper_case(strip(turn.prediction));
  return prediction.find(upper_case(answer.value())) != std::string::npos ? 1 : 0;
}

Expected<double> strict(const ScoredTurn& turn) {
  if (const auto answer = required_answer("qa_eng", turn); !answer) return answer.error();
  const std::vector<std::string> prediction = squad_words(turn.prediction);
  double best = 0;
  for (const std::string& reference : turn.answers) {
    const std::vector<std::string> words = squad_words(reference);
    const bool same = words.empty() ? strip(turn.prediction) == strip(reference)
                                    : contains_in_a_row(prediction, words);
    best = std::max(best, same ? 1 : f1_of_overlap(prediction, words));
  }
  return best;
}

}  // namespace

ScorerEntry qa_eng_scorer() {
  return {.name = "qa_eng",
          .sentence = "the answer to a question on an English book is in the prediction",
          .source = "SCBench (arXiv 2412.10319), after InfiniteBench (arXiv 2402.13718)",
          .scbench_compat = compat,
          .strict = strict,
          .subtasks = {}};
}

}  // namespace scsim::exec
