// Functions and key-value pairs in one repository, turn about.
#include "exec/scorers/required.h"

namespace scsim::exec {
namespace {

const std::vector<std::string> kSubtasks = {"repoqa", "kv"};

Expected<double> judge(const ScoredTurn& turn, ScoreRule rule) {
  const auto subtask = required_subtask("repoqa_and_kv", kSubtasks, turn);
  if (!subtask) return subtask.error();
  return score(subtask.value(), rule, turn);
}

// In multi-request mode whole records are handed over where their predictions were meant; the value
// is looked for among the records' keys and never found.
Expected<double> compat(const ScoredTurn& turn) {
  Expected<double> judged = judge(turn, ScoreRule::kScbenchCompat);
  if (!judged || turn.task != "kv" || turn.mode != SessionMode::kMultiRequest) return judged;
  return 0;
}

}  // namespace

ScorerEntry repoqa_and_kv_scorer() {
  return {.name = "repoqa_and_kv",
          .sentence = "functions as in repoqa, values as in kv",
          .source = "SCBench (arXiv 2412.10319)",
          .scbench_compat = compat,
          .strict = [](const ScoredTurn& turn) { return judge(turn, ScoreRule::kStrict); },
          .subtasks = kSubtasks};
}

}  // namespace scsim::exec
