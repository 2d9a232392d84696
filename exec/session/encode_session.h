// From words to tokens: a task's session, put into words by exec/tasks/prompt.h, as the model's own
// tokenizer and chat template have it.
#pragma once

#include <optional>
#include <vector>

#include "exec/session/token_session.h"
#include "exec/tasks/prompt.h"
#include "exec/tasks/trace_sessions.h"
#include "exec/text/chat_template.h"
#include "exec/text/tokenizer.h"
#include "traces/expected.h"

namespace scsim::exec {

struct EncodeOptions {
  PromptStyle style = PromptStyle::kPlain;
  SessionMode mode = SessionMode::kMultiTurn;
  bool golden_answers = true;
  // Tokens that a session may have, as the released code counts them (first_prompt_budget()).
  std::int64_t max_sequence = 0;
};

struct EncodedSession {
  TokenSession tokens;
  std::int64_t context_tokens = 0;  // of the first prompt (multi-turn) or the context, as prefilled
  std::int64_t truncated_tokens = 0;                 // cut from its middle
  std::vector<std::optional<bool>> answer_survived;  // per turn, as answers_survived() says
};

// `chat` is used where the style knows chat templates; null: the model has none. The error says
// what does not fit in `max_sequence`, or what the template has no place for.
Expected<EncodedSession> encode_session(const TaskSession& session, const Tokenizer& tokenizer,
                                        const ChatTemplate* chat, const EncodeOptions& options);

// Tokens of the longest sequence that a run of it can make, answers at their limits.
std::int64_t longest_sequence(const TokenSession& session, bool golden_answers);

// A conversation of a trace: every request's whole prompt. `max_new_tokens` bounds what the trace
// asks for; 0: it does not.
Expected<TokenSession> encode_trace_session(const TraceSession& session, const Tokenizer& tokenizer,
                                            const ChatTemplate* chat, std::int64_t max_new_tokens);

// Questions about one text, as people type them: `chat` null continues plain text.
Expected<TokenSession> encode_questions(const std::string& context,
                                        const std::vector<std::string>& questions,
                                        const Tokenizer& tokenizer, const ChatTemplate* chat,
                                        SessionMode mode, std::int64_t max_new_tokens);

// Likewise about several texts, each of which has the same tokens wherever it stands. In
// multi-request mode every question is a prompt of its own, the first behind the documents as they
// are given, each later one with what was the first document put last.
Expected<TokenSession> encode_documents(const std::vector<std::string>& documents,
                                        const std::vector<std::string>& questions,
                                        const Tokenizer& tokenizer, const ChatTemplate* chat,
                                        SessionMode mode, std::int64_t max_new_tokens);

}  // namespace scsim::exec
