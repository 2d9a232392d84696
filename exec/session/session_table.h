// What each turn of a session cost, as a table for the terminal.
#pragma once

#include <string>

#include "exec/session/run_session.h"
#include "traces/calibration.h"

namespace scsim::exec {

// A line a turn: tokens found in the cache, prefilled and answered; TTFT; TPOT, the time of each
// later token; seconds by stage, of the stages that took any; KV held behind the prompt. With
// `scores` (may be null) those too.
std::string session_table(const SessionRecord& record, const SessionSample* scores);

}  // namespace scsim::exec
