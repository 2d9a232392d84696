// The first prompt of a session, cut from its middle to what the released code leaves of it: the
// same tokens, whether a model of ours or a server is asked.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "exec/tasks/task_session.h"
#include "exec/text/tokenizer.h"
#include "traces/expected.h"
#include "traces/session_mode.h"

namespace scsim::exec {

struct CutPrompt {
  std::vector<std::int32_t> tokens;  // what is kept
  std::string head, tail;            // its text before and behind the cut
  std::int64_t head_tokens = 0;      // kept before the cut
  std::int64_t truncated_tokens = 0;
  std::vector<std::optional<bool>> answer_survived;  // per turn, as answers_survived() says
};

// `max_sequence` is of the session, as the released code counts it (first_prompt_budget()). The
// error says that it leaves nothing for the prompt.
Expected<CutPrompt> cut_first_prompt(const TaskSession& session, SessionMode mode,
                                     std::int64_t max_sequence,
                                     const std::vector<std::int32_t>& prompt,
                                     const Tokenizer& tokenizer);

}  // namespace scsim::exec
