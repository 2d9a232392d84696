// Conversations out of a trace that carries text, for running them on a real model.
//
//   Expected<std::vector<TraceSession>> sessions = read_trace_sessions("chats.pb", 10);
//   for (const TracePrompt& prompt : sessions->front().requests) ...
//
// A request's prompt is its contents' texts in order, neighbours of one role joined; a session's
// requests are in the order of the trace. Parents are positions within the session. A trace without
// text is an error that says how to import one with it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "traces/expected.h"
#include "traces/trace.h"

namespace scsim::exec {

struct TraceMessage {
  std::string role, text;  // "system", "user", "assistant", "tool", as the trace has it
};

struct TracePrompt {
  RequestId request;
  int turn = 0;
  std::vector<std::size_t> parents;    // in TraceSession::requests, those of the same session
  std::vector<TraceMessage> messages;  // the whole prompt
  std::string answer;                  // the logged one; may be empty
  Tokens prompt_tokens{0}, output_tokens{0}, max_tokens{0};  // as the trace counts
};

struct TraceSession {
  SessionId session{0};
  std::vector<TracePrompt> requests;
};

// The first `most` sessions to begin, 0 for all. Memory: all text of the trace up to their end.
Expected<std::vector<TraceSession>> read_trace_sessions(const std::string& path,
                                                        std::size_t most = 0);

}  // namespace scsim::exec
