// Runs one shared-context session on a server, as run_session.h does on a model of ours: the same
// prompts in the same order, each a request of its own.
//
// Multi-turn: a request holds the context and all turns before it, answered by the golden answers
// or, with those off, by what the server said. Multi-request: the context and its own question.
// What a request shares with an earlier one the server may find in its cache or compute again;
// nobody prefills a context by itself, so the first request pays for it.
#pragma once

#include <string>
#include <vector>

#include "exec/remote/remote_engine.h"
#include "exec/session/word_session.h"
#include "traces/expected.h"

namespace scsim::exec {

struct ServerSessionOptions {
  bool golden_answers = true;
  // Stands in front of the context: makes it one that the server has not seen.
  std::string preface = "";
};

// One answer a turn. The error is that of the first request that fails.
Expected<std::vector<RemoteAnswer>> run_server_session(const RemoteEngine& engine,
                                                       const WordedSession& session,
                                                       const ServerSessionOptions& options);

}  // namespace scsim::exec
