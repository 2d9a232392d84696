// trace.json: the run in Chrome's trace-event format, for ui.perfetto.dev and chrome://tracing.
//
// Every engine is a process. Its counters are the timeline; each of its threads is a lane in which
// requests follow one another, a request being a span from arrival to end with its queue, prefill
// and decode inside. (A preempted request's later waits lie inside its prefill or decode.) Engines
// with more requests than such a viewer bears are the rule, so only the first `max_requests` to
// arrive are drawn; the file's metadata says so, and so does the text this function gives back.
// Counters are means over as many bins of the timeline as keep the file small; the metadata says
// how long that is.
#pragma once

#include <string>

#include "traces/expected.h"
#include "traces/result.h"

namespace scsim::analysis {

inline constexpr std::size_t kMaxDrawnRequests = 10000;

// Gives a sentence for stderr where requests were left out, else an empty text.
Expected<std::string> write_perfetto_trace(const Result& result, const std::string& path,
                                           std::size_t max_requests = kMaxDrawnRequests);

}  // namespace scsim::analysis
