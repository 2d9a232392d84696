// What a run of a session says, as a calibration keeps it: scored, and in the file's terms.
#pragma once

#include <vector>

#include "exec/remote/remote_engine.h"
#include "exec/session/encode_session.h"
#include "exec/session/run_session.h"
#include "exec/session/word_session.h"
#include "exec/tasks/task_session.h"
#include "traces/calibration.h"
#include "traces/expected.h"

namespace scsim::exec {

// Of a prediction no more is kept; what is left out is counted.
inline constexpr std::size_t kMostPredictionBytes = 16384;

// All but key, order and date, scored by both rules. The error is the scorer's: a turn that lacks
// what its rule needs.
Expected<SessionSample> make_sample(const TaskSession& session, const EncodedSession& encoded,
                                    const SessionRecord& record);

// Likewise of a server's answers. What it did is not ours to part: it all stands under "other".
// Tokens are those that the server says it used; where it says nothing, `counter` counts.
Expected<SessionSample> make_server_sample(const TaskSession& session, const WordedSession& worded,
                                           const std::vector<RemoteAnswer>& answers,
                                           const Tokenizer& counter);

SampleCost make_cost(const TurnRecord& record);

}  // namespace scsim::exec
