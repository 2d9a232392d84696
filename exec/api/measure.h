// What a stage did, beside the seconds it took: the ledger that costs are fitted to. Whoever does
// the work counts it; nothing is counted from what should have happened.
//
//   Measure measure{clock, counts};
//   {
//     MeasuredStage stage(measure, Stage::kCompression);   // seconds and counts go there
//     cache.keep(layer, head, positions, measure);
//   }
#pragma once

#include <cstdint>

#include "exec/api/stage_clock.h"
#include "traces/stage.h"

namespace scsim::exec {

struct StageCounts {
  std::int64_t tokens = 0;          // that went through the stage
  std::int64_t attended_pairs = 0;  // (query, key) pairs over all layers and query heads
  double operations = 0;            // floating point: matrix products and attention
  std::int64_t bytes_read = 0;  // of KV, by attention: each kv head's keys and values once a call
  std::int64_t bytes_allocated = 0, bytes_freed = 0;  // of KV, by the pools
  std::int64_t bytes_moved = 0;                       // of KV, between tiers or by copies
  std::int64_t peak_bytes = 0;  // of KV in all pools together, while the stage allocated
  StageCounts& operator+=(const StageCounts& other);  // peaks: the larger one
};

// Handed down to everything that computes. REQUIRES: the clock is running while stages are entered.
struct Measure {
  StageClock& clock;
  PerStage<StageCounts>& counts;
  Stage stage = Stage::kOther;  // the stage under way: what allocations are counted to
  StageCounts& now() { return counts[static_cast<std::size_t>(stage)]; }
};

// Enters a stage: its seconds and its counts.
class MeasuredStage {
 public:
  MeasuredStage(Measure& measure, Stage stage)
      : scope_(measure.clock, stage), measure_(measure), before_(measure.stage) {
    measure_.stage = stage;
  }
  ~MeasuredStage() { measure_.stage = before_; }
  MeasuredStage(const MeasuredStage&) = delete;
  MeasuredStage& operator=(const MeasuredStage&) = delete;

 private:
  StageScope scope_;
  Measure& measure_;
  Stage before_;
};

}  // namespace scsim::exec
