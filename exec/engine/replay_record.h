// What a replay comes to, in the schema that the simulator writes (traces/result.h): times of each
// request, what its seconds went to, the engine's own ledger, gaps between tokens, occupancy.
//
// A request's seconds go where the simulator's do: until it is admitted, and after a preemption
// until it is again, to `queue`; while its prompt is computed the engine's steps go to `generation`
// but for what they took to decide and to sample, `other`; then they go to the stages they were
// measured as. What passes between two steps while there is work is `other` (INV-LEDGER).
//
// Left out: lives of blocks that nobody could ever find.
#pragma once

#include <cstdint>
#include <vector>

#include "exec/engine/engine.h"
#include "traces/result.h"
#include "traces/trace.h"

namespace scsim::exec {

class ReplayRecord {
 public:
  // Of these the result already has: trace, tables, text.
  ReplayRecord(Result begun, const Engine& engine);

  // The request came. Gives its number, by which all below know it: its tag.
  std::uint64_t arrived(const Request& request, TimePoint when);
  void refused(std::uint64_t tag, TimePoint when);
  void cancelled(std::uint64_t tag, std::int64_t produced, TimePoint when);
  // A step ran from `begin` to `end`; REQUIRES: steps do not overlap.
  void stepped(const StepRecord& step, TimePoint begin, TimePoint end);
  // The engine's queue and blocks are as they are now from `now` on.
  void look(TimePoint now);
  Result finish(TimePoint end);

  const RequestResult& request(std::uint64_t tag) const { return result_.requests[tag]; }
  std::int64_t most_passes() const { return most_passes_; }

 private:
  enum class Phase { kQueue, kPrefill, kDecode, kEnded };
  struct Active {
    Phase phase = Phase::kQueue;
    TimePoint since, last_token;
    PerStage<std::int64_t> ledger{};  // the engine's when the phase began
  };
  struct Look {
    TimePoint from;
    double running, waiting, used, cached, busy;
  };
  void close(std::uint64_t tag, TimePoint now);
  void open(std::uint64_t tag, Phase phase, TimePoint now);
  void end(std::uint64_t tag, Outcome outcome, TimePoint now);
  void got_token(const StepRecord::Token& token, TimePoint now);
  void add_gap(std::uint64_t tag, Duration gap);
  void look(TimePoint from, std::int64_t running, std::int64_t waiting, std::int64_t used,
            std::int64_t cached, double busy);
  void fetched(const StepRecord::Admitted& one, const StepRecord& step);
  void add_tiers();
  EngineTimeline timeline(TimePoint end, Duration bin) const;

  Result result_;
  const Engine& engine_;
  EngineResult totals_;
  PerStage<std::int64_t> ledger_{};
  TimePoint last_end_;
  std::int64_t active_count_ = 0, most_passes_ = 0;
  std::vector<Active> active_;
  std::vector<TimePoint> since_;  // of each block: when it could first be found
  std::vector<char> findable_;
  std::vector<Look> looks_;
  bool busy_ = false;
};

}  // namespace scsim::exec
