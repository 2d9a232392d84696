#include "exec/session/cut_prompt.h"

#include <span>
#include <utility>

#include "exec/tasks/prompt.h"
#include "traces/text.h"

namespace scsim::exec {

Expected<CutPrompt> cut_first_prompt(const TaskSession& session, SessionMode mode,
                                     std::int64_t max_sequence,
                                     const std::vector<std::int32_t>& prompt,
                                     const Tokenizer& tokenizer) {
  const Expected<TaskEntry> task = find_task(session.task);
  if (!task) return task.error();
  const std::int64_t budget = first_prompt_budget(*task, mode, max_sequence, session.turns.size());
  if (budget < 2) {
    return Error{"task " + session.task + ": " + format_integer(max_sequence) +
                 " tokens are too few for the answers of " + std::to_string(session.turns.size()) +
                 " turns; fewer --turns, or a larger --max-sequence"};
  }
  MiddleCut cut = cut_middle(prompt, budget);
  CutPrompt kept;
  kept.head_tokens = static_cast<std::int64_t>(cut.head);
  kept.truncated_tokens = static_cast<std::int64_t>(prompt.size() - cut.tokens.size());
  const std::span<const std::int32_t> tokens(cut.tokens);
  kept.head = tokenizer.decode(tokens.first(cut.head), true);
  if (cut.cut) kept.tail = tokenizer.decode(tokens.subspan(cut.head), true);
  kept.answer_survived = answers_survived(session, kept.head, kept.tail);
  kept.tokens = std::move(cut.tokens);
  return kept;
}

}  // namespace scsim::exec
