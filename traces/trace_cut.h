// Parts, faster copies and repetitions of a trace.
//
//   Expected<CutReport> cut = cut_trace("day.pb", "hour.pb", {.from = hours(9), .to = hours(10)},
//   command);
//
// Requests are first chosen (time, tenants, sessions, number), then sped up, then repeated. What is
// left begins at time 0 if `from` is given and keeps its times otherwise. Parents that were cut
// away are forgotten; a request that had nothing but such parents becomes open loop at its
// `earliest`. `speed` divides arrivals; think times stay as people take them, so the earliest
// arrival of a closed-loop request is worked out anew from those of its parents. Contents nobody
// refers to any more are left out.
//
// The file is read twice (once more for each repetition). Memory: the requests that `speed` lets
// wait for their turn, one bit per content, and 24 bytes per request.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "traces/expected.h"
#include "traces/time.h"

namespace scsim {

struct CutOptions {
  std::optional<TimePoint> from{}, to{};  // earliest in [from, to)
  std::vector<std::string> tenants{};     // empty: all
  double sessions = 1;                    // share, chosen by a hash of the session's id: a smaller
                                          // share is a part of a larger one
  std::optional<std::uint64_t> requests{};  // the first so many of those left
  double speed = 1;
  std::uint64_t repeat = 1;  // copies one period apart, each with contents and sessions of
                             // its own; period = last - first + mean gap
  std::function<void(double)> progress{};  // called with the part done, 0..1, now and then
};

struct CutReport {
  std::uint64_t requests = 0;
  std::uint64_t lost_parents = 0;    // requests that lost some parent
  std::uint64_t made_open_loop = 0;  // of these: lost all
  Duration period{};                 // between copies; 0 without repetition
};

Expected<CutReport> cut_trace(const std::string& in, const std::string& out,
                              const CutOptions& options, const std::string& made_by);

}  // namespace scsim
