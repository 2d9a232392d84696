#include "exec/session/word_session.h"

#include <utility>

#include "exec/session/cut_prompt.h"

namespace scsim::exec {
namespace {

std::int64_t count(const Tokenizer& counter, const std::string& text) {
  return std::ssize(counter.encode(text, SpecialTokens::kAsText));
}

}  // namespace

Expected<WordedSession> word_session(const TaskSession& session, const Tokenizer& counter,
                                     const EncodeOptions& options) {
  if (session.turns.empty())
    return Error{"session " + session.id + " of " + session.task + " asks nothing"};
  WordedSession worded;
  worded.mode = options.mode;
  worded.plan = plan_prompts(session, {.style = options.style,
                                       .mode = options.mode,
                                       .chat = options.style == PromptStyle::kReleased,
                                       .golden_answers = options.golden_answers});
  PromptPlan& plan = worded.plan;
  if (plan.chat) {
    for (TurnPrompt& turn : plan.turns) turn.lead.clear();
  }
  // In multi-turn mode the first question is of what may be cut.
  const bool grows = options.mode == SessionMode::kMultiTurn;
  TurnPrompt& first = plan.turns.front();
  std::string prompt = plan.context;
  if (grows) prompt.append(first.prompt).append(first.lead);
  Expected<CutPrompt> cut =
      cut_first_prompt(session, options.mode, options.max_sequence,
                       counter.encode(prompt, SpecialTokens::kAsText), counter);
  if (!cut) return cut.error();
  if (cut->truncated_tokens > 0) {  // else the text stands as it is
    plan.context = cut->head + cut->tail;
    if (grows) first.prompt.clear();
    if (grows) first.lead.clear();
  }
  worded.context_tokens = std::ssize(cut->tokens);
  worded.truncated_tokens = cut->truncated_tokens;
  worded.answer_survived = std::move(cut->answer_survived);
  std::int64_t before = worded.context_tokens;
  for (std::size_t t = 0; t < plan.turns.size(); ++t) {
    const TurnPrompt& turn = plan.turns[t];
    const bool counted = grows && t == 0;  // with the context
    const std::int64_t asked = counted ? 0 : count(counter, turn.prompt + turn.lead);
    worded.prompt_tokens.push_back(before + asked);
    if (grows) before += asked + count(counter, turn.target + turn.closing);
  }
  return worded;
}

}  // namespace scsim::exec
