// Summaries: ROUGE-Lsum F1 with the reference, by both rules.
#include "exec/scorers/required.h"
#include "exec/scorers/rouge.h"

namespace scsim::exec {
namespace {

Expected<double> rouge(const ScoredTurn& turn) {
  const Expected<std::string> answer = required_answer("summary", turn);
  if (!answer) return answer.error();
  return rouge_lsum_f1(answer.value(), turn.prediction);
}

}  // namespace

ScorerEntry summary_scorer() {
  return {.name = "summary",
          .sentence = "ROUGE-Lsum F1 with a reference summary",
          .source = "SCBench (arXiv 2412.10319); ROUGE: Lin 2004",
          .scbench_compat = rouge,
          .strict = rouge,
          .subtasks = {}};
}

}  // namespace scsim::exec
