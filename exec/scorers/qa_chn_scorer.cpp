// Questions on a Chinese book: the F1 of characters.
#include <algorithm>

#include "exec/scorers/overlap.h"
#include "exec/scorers/required.h"
#include "exec/scorers/unicode_text.h"

namespace scsim::exec {
namespace {

// The answer is handed over as a string where a list of references was meant: each of its
// characters becomes a reference. So the score is 2 / (characters + 1) if any of them occurs.
Expected<double> compat(const ScoredTurn& turn) {
  const Expected<std::string> answer = required_answer("qa_chn", turn);
  if (!answer) return answer.error();
  const std::u32string prediction = chinese_characters(turn.prediction);
  double best = 0;
  for (const char32_t c : code_points(answer.value())) {
    best = std::max(best, f1_of_overlap(prediction, chinese_characters(to_utf8({&c, 1}))));
  }
  return best;
}

Expected<double> strict(const ScoredTurn& turn) {
  if (const auto answer = required_answer("qa_chn", turn); !answer) return answer.error();
  const std::u32string prediction = chinese_characters(turn.prediction);
  double best = 0;
  for (const std::string& reference : turn.answers) {
    const std::u32string characters = chinese_characters(reference);
    const bool same = characters.empty() && strip(turn.prediction) == strip(reference);
    best = std::max(best, same ? 1 : f1_of_overlap(prediction, characters));
  }
  return best;
}

}  // namespace

ScorerEntry qa_chn_scorer() {
  return {.name = "qa_chn",
          .sentence = "the F1 of characters with the answer to a question on a Chinese book",
          .source = "SCBench (arXiv 2412.10319), after InfiniteBench (arXiv 2402.13718)",
          .scbench_compat = compat,
          .strict = strict,
          .subtasks = {}};
}

}  // namespace scsim::exec
