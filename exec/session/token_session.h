// A shared-context session in tokens: what is prefilled, asked and answered, whichever task or
// trace it came from and however it was put into words.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "exec/api/token_range.h"
#include "traces/session_mode.h"

namespace scsim::exec {

struct TokenTurn {
  // What this turn adds behind what came before it: in multi-turn mode behind the answer of the
  // turn before, in multi-request mode behind the context.
  std::vector<std::int32_t> prompt;
  // Runs of the prompt that others may have elsewhere, ascending and apart.
  std::vector<TokenRange> documents = {};
  // The golden answer as the model would have to say it: its likelihood is measured, and where
  // golden answers are on it stands in the conversation for the model's own. May be empty.
  std::vector<std::int32_t> golden;
  // Multi-turn mode: follows the answer, whichever it is; not where a stop ended the model's own.
  std::vector<std::int32_t> closing;
  // An answer ends before the first of these that it contains ("\n" where records are continued),
  // beside the model's own end tokens.
  std::vector<std::string> stops;
  std::int64_t max_new_tokens = 1;
};

struct TokenSession {
  SessionMode mode = SessionMode::kMultiTurn;
  // Multi-request mode: prefilled once, before any question. Multi-turn mode: empty, the first
  // turn's prompt begins with it.
  std::vector<std::int32_t> context;
  std::vector<TokenRange> documents = {};  // of the context, likewise
  std::vector<TokenTurn> turns;
  // Every turn's prompt is all of it, from the first token (conversations of a trace); what it has
  // in common with what the cache holds is found there.
  bool whole_prompts = false;
};

}  // namespace scsim::exec
