// SCBench's middle truncation (its README and eval_utils: the first prompt keeps its two ends).
#include <algorithm>

#include "exec/tasks/prompt.h"
#include "traces/check.h"

namespace scsim::exec {

std::int64_t first_prompt_budget(const TaskEntry& task, Mode mode, std::int64_t max_seq_length,
                                 std::size_t turns) {
  // In multi-request mode the released code keeps this much more for the questions.
  constexpr std::int64_t kForQuestions = 1000;
  const auto n = static_cast<std::int64_t>(turns);
  // Of mixed tasks max_new_tokens is the sum over sub-tasks, which take turns.
  const std::int64_t answers =
      task.sub_tasks.empty() ? task.max_new_tokens * n : task.max_new_tokens * n / 2;
  return max_seq_length - answers - (mode == Mode::kMultiRequest ? kForQuestions : 0);
}

MiddleCut cut_middle(std::span<const std::int32_t> tokens, std::int64_t budget) {
  SCSIM_CHECK_GE(budget, 2);
  MiddleCut result;
  if (std::ssize(tokens) <= budget) {
    result.tokens.assign(tokens.begin(), tokens.end());
    result.head = tokens.size();
    return result;
  }
  const auto half = static_cast<std::size_t>(budget / 2);
  result.tokens.assign(tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(half));
  result.tokens.insert(result.tokens.end(), tokens.end() - static_cast<std::ptrdiff_t>(half),
                       tokens.end());
  result.head = half;
  result.cut = true;
  return result;
}

std::vector<std::optional<bool>> answers_survived(const TaskSession& session, std::string_view head,
                                                  std::string_view tail) {
  const auto there = [&](const std::string& text) {
    return head.find(text) != head.npos || tail.find(text) != tail.npos;
  };
  const Expected<TaskEntry> task = find_task(session.task);
  SCSIM_CHECK(task.has_value());
  std::vector<std::optional<bool>> survived;
  for (const Turn& turn : session.turns) {
    if (!turn.evidence.empty()) {
      survived.emplace_back(std::ranges::all_of(turn.evidence, there));
    } else if (!task->answers_in_context || turn.answers.empty()) {
      survived.emplace_back(std::nullopt);
    } else if (task->released.answers_are_a_list) {
      survived.emplace_back(std::ranges::all_of(turn.answers, there));
    } else {
      survived.emplace_back(std::ranges::any_of(turn.answers, there));
    }
  }
  return survived;
}

}  // namespace scsim::exec
