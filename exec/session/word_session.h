// A task's session in words, for a server that has its own tokenizer and chat template: nothing is
// rendered here. What is shared and what is asked stand in `plan` (exec/tasks/prompt.h); requests
// of a turn are put together from it by run_server_session.h.
//
// Lengths are counted, and a context that is too long is cut, by the tokenizer at hand, which need
// not be the server's.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "exec/session/encode_session.h"
#include "exec/tasks/prompt.h"
#include "exec/text/tokenizer.h"
#include "traces/expected.h"

namespace scsim::exec {

struct WordedSession {
  SessionMode mode = SessionMode::kMultiTurn;
  PromptPlan plan;  // plan.chat: its turns are messages; else texts that are continued
  std::int64_t context_tokens = 0;    // of the first prompt (multi-turn) or the context
  std::int64_t truncated_tokens = 0;  // cut from its middle
  std::vector<std::optional<bool>> answer_survived;  // per turn
  // Of each turn's whole prompt behind golden answers, without what a chat template adds.
  std::vector<std::int64_t> prompt_tokens;
};

// Style `released` makes messages. What it would put into the model's mouth (TurnPrompt::lead) is
// left out of them: a server of chats has no place for it.
Expected<WordedSession> word_session(const TaskSession& session, const Tokenizer& counter,
                                     const EncodeOptions& options);

}  // namespace scsim::exec
