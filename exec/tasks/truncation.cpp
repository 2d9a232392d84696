#include <algorithm>

#include "exec/tasks/prompt.h"
#include "traces/check.h"

namespace scsim::exec {
namespace {

bool is_word(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

// As words of their own, so that 12 is not found in 312.
bool contains_words(std::string_view text, std::string_view wanted) {
  for (std::size_t at = text.find(wanted); at != std::string_view::npos;
       at = text.find(wanted, at + 1)) {
    const std::size_t end = at + wanted.size();
    const bool joined_before = at > 0 && is_word(text[at - 1]) && is_word(wanted.front());
    const bool joined_behind = end < text.size() && is_word(text[end]) && is_word(wanted.back());
    if (!joined_before && !joined_behind) return true;
  }
  return false;
}

}  // namespace

std::int64_t first_prompt_budget(const TaskEntry& task, SessionMode mode,
                                 std::int64_t max_seq_length, std::size_t turns) {
  const std::int64_t asked = task.max_new_tokens * static_cast<std::int64_t>(turns);
  const std::int64_t budget = max_seq_length - (task.sub_tasks.empty() ? asked : asked / 2);
  return mode == SessionMode::kMultiRequest ? budget - 1000 : budget;
}

MiddleCut cut_middle(std::span<const std::int32_t> tokens, std::int64_t budget) {
  SCSIM_CHECK_GE(budget, 2);
  MiddleCut kept;
  if (tokens.size() <= static_cast<std::size_t>(budget)) {
    kept.tokens.assign(tokens.begin(), tokens.end());
    kept.head = tokens.size();
    return kept;
  }
  kept.cut = true;
  kept.head = static_cast<std::size_t>(budget / 2);
  kept.tokens.assign(tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(kept.head));
  kept.tokens.insert(kept.tokens.end(), tokens.end() - static_cast<std::ptrdiff_t>(kept.head),
                     tokens.end());
  return kept;
}

std::vector<std::optional<bool>> answers_survived(const TaskSession& session, std::string_view head,
                                                  std::string_view tail) {
  const Expected<TaskEntry> task = find_task(session.task);
  SCSIM_CHECK(task.has_value());
  const bool wants_all = task->released.answers_are_a_list;
  std::vector<std::optional<bool>> survived;
  for (const Turn& turn : session.turns) {
    if (!turn.evidence.empty()) {
      survived.push_back(std::ranges::all_of(turn.evidence, [&](const std::string& text) {
        return head.find(text) != std::string_view::npos ||
               tail.find(text) != std::string_view::npos;
      }));
      continue;
    }
    std::int64_t there = 0, kept = 0;
    for (const std::string& answer : turn.answers) {
      if (answer.empty() || !contains_words(session.context, answer)) continue;
      ++there;
      kept += contains_words(head, answer) || contains_words(tail, answer) ? 1 : 0;
    }
    if (!task->answers_in_context || there == 0 || turn.sub_task == "summary") {
      survived.push_back(std::nullopt);
    } else {
      survived.push_back(wants_all ? kept == there : kept > 0);
    }
  }
  return survived;
}

}  // namespace scsim::exec
