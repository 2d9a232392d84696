// Sessions put into words, cut where what is shared ends and what is asked begins.
//
//   PromptPlan plan = plan_prompts(session, {.style = PromptStyle::kReleased,
//                                            .mode = SessionMode::kMultiRequest, .chat = true});
//   ids = encode(plan.context);                        // once
//   for (const TurnPrompt& turn : plan.turns) encode(turn.prompt), ...
//
// With a chat template, `context` begins the first user message. In multi-turn mode the first
// turn's `prompt` ends that message, and each later turn is an assistant message (the answer
// before) and a user message (its `prompt`); in multi-request mode every turn's `prompt` ends it.
// Without one, texts follow each other as they are:
//
//   multi-turn       context prompt[0] answer[0] closing[0] prompt[1] answer[1] closing[1] ...
//   multi-request    context prompt[i]                      (for each i)
//
// answer[i] is `target` or what the model said: the runner decides. `lead` is put in front of the
// answer (behind the generation prompt of a chat template), prefilled and not generated.
//
// Style `released` says what SCBench's released code says, its oddities included:
//   - multi-request queries follow the context without anything between them
//   - choice_eng ends in "The the correct answer is"; a follow-up without chat template and with
//     golden answers says "The letter of the correct answer is"
//   - mf puts "What is <target>?" in front of the context in multi-turn mode and the first question
//     in multi-request mode; with a chat template all follow-ups in multi-turn mode have the last
//     turn's target, so that all but the last contradict their own question
//   - summary with a chat template has "This paper" begin every answer but the first
//   - golden answers of vt are written as a list of Python is: ['ABCDE', 'FGHIJ']
// Style `plain` goes on with the record that the context is, knows no chat template, and says what
// ends an answer; models of any size can follow it. Style `symbols` does so with sessions that are
// made in symbols (symbols.h), for models that know no language.
//
// All run the turns they are given: the released code's --max_turns 5 is session.turns.resize(5).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "exec/tasks/prompt_options.h"
#include "exec/tasks/task.h"
#include "exec/tasks/task_session.h"

namespace scsim::exec {

struct TurnPrompt {
  std::string prompt;
  std::string lead;
  std::string target;              // the golden answer, as the model would have to say it
  std::string closing;             // plain: what ends an answer; the others: empty
  std::vector<std::string> stops;  // an answer ends before the first of these; may be empty
  std::int64_t max_new_tokens = 1;
};

struct PromptPlan {
  bool chat = false;  // options.chat, where the style knows it
  std::string context;
  std::vector<TurnPrompt> turns;  // as session.turns
};

// REQUIRES: session.task is in task_table(); the session is in symbols where the style is.
PromptPlan plan_prompts(const TaskSession& session, const PromptOptions& options);

// --- Truncation, as released: the first prompt only, from the middle.

// Tokens that the first prompt may have. Less than 2: it cannot be done.
std::int64_t first_prompt_budget(const TaskEntry& task, SessionMode mode,
                                 std::int64_t max_seq_length, std::size_t turns);

struct MiddleCut {
  std::vector<std::int32_t> tokens;  // what is kept
  std::size_t head = 0;              // tokens[0 .. head) are before the cut, the rest behind it
  bool cut = false;
};
// The first and the last budget / 2 tokens (one less than an odd budget), or all where they fit.
// REQUIRES: budget >= 2.
MiddleCut cut_middle(std::span<const std::int32_t> tokens, std::int64_t budget);

// Whether what each turn asks for is still there: its evidence, else a right answer (all of them
// for vt). Looked for on each side of the cut, not across it. Absent where the answer does not
// stand in the context in so many words (many_shot, summaries without evidence).
std::vector<std::optional<bool>> answers_survived(const TaskSession& session, std::string_view head,
                                                  std::string_view tail);

}  // namespace scsim::exec
