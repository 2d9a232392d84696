#include "exec/scorers/scorer.h"

#include <algorithm>

#include "exec/scorers/required.h"
#include "traces/text.h"

namespace scsim::exec {

std::string_view score_rule_name(ScoreRule rule) {
  return rule == ScoreRule::kScbenchCompat ? "scbench_compat" : "strict";
}

Expected<ScorerEntry> find_scorer(std::string_view task) {
  std::vector<std::string> names;
  for (const ScorerEntry& entry : scorer_table()) {
    if (entry.name == task) return entry;
    names.push_back(entry.name);
  }
  return Error{unknown_name("task", task, names)};
}

Expected<double> score(std::string_view task, ScoreRule rule, const ScoredTurn& turn) {
  const Expected<ScorerEntry> entry = find_scorer(task);
  if (!entry) return entry.error();
  return rule == ScoreRule::kStrict ? entry.value().strict(turn)
                                    : entry.value().scbench_compat(turn);
}

Expected<std::string> required_answer(std::string_view task, const ScoredTurn& turn) {
  if (!turn.answers.empty()) return turn.answers[0];
  return Error{std::string(task) + ": a turn is scored against an answer, and this one has none"};
}

Expected<std::string> required_subtask(std::string_view task,
                                       const std::vector<std::string>& subtasks,
                                       const ScoredTurn& turn) {
  if (std::ranges::find(subtasks, turn.task) != subtasks.end()) return std::string(turn.task);
  return Error{std::string(task) + ": " + unknown_name("sub-task", turn.task, subtasks)};
}

}  // namespace scsim::exec
