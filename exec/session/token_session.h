// A shared-context session in tokens: what is prefilled, asked and answered, whichever task or
// trace it came from and however it was put into words.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "traces/session_mode.h"

namespace scsim::exec {

struct TokenTurn {
  // What this turn adds behind what came before it. In multi-turn mode the first turn's follows the
  // context, a later one's follows the answer of the turn before; in multi-request mode each
  // follows the context.
  std::vector<std::int32_t> prompt;
  // The golden answer as the model would have to say it: its likelihood is measured. May be empty.
  std::vector<std::int32_t> target;
  // What stands in the conversation for the answer, where the golden one takes the place of the
  // model's own (multi-turn mode); the closing of the model's own answer otherwise.
  std::vector<std::int32_t> golden, closing;
  std::int64_t max_new_tokens = 1;
};

struct TokenSession {
  SessionMode mode = SessionMode::kMultiTurn;
  std::vector<std::int32_t> context;
  std::vector<TokenTurn> turns;
  // An answer ends before the first of these that it contains ("\n" where records are continued),
  // beside the model's own end tokens.
  std::vector<std::string> stops;
};

}  // namespace scsim::exec
