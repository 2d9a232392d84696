// What a stage did, beside the seconds it took: the ledger that costs are fitted to. Whoever does
// the work counts it; nothing is counted from what should have happened.
//
//   Measure measure{clock, counts};
//   {
//     MeasuredStage stage(measure, Stage::kCompression);   // seconds and counts go there
//     cache.keep(layer, head, positions, measure);
//   }
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

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

// What a method chose for a layer of a prefill where the data decided: for each query head numbers
// whose meaning is the method's (methods/contract.h).
struct LayerSelection {
  std::int64_t layer = 0, fresh = 0, cached = 0;
  std::vector<std::vector<std::int32_t>> heads{};
};

// Handed down to everything that computes. REQUIRES: the clock is running while stages are entered.
struct Measure {
  StageClock& clock;
  PerStage<StageCounts>& counts;
  Stage stage = Stage::kOther;  // the stage under way: what allocations are counted to
  std::vector<LayerSelection>* selections = nullptr;  // null: nobody wants to know
  std::map<std::string, double>* parts = nullptr;     // likewise: seconds of MeasuredPart by name
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

// A named part of a stage, for whoever asks (Measure::parts): on the host's clock, so on a device
// what it queued is not in it. Parts do not change what stages take.
class MeasuredPart {
 public:
  MeasuredPart(const Measure& measure, const char* name) : measure_(measure), name_(name) {
    if (measure_.parts != nullptr) began_ = std::chrono::steady_clock::now();
  }
  ~MeasuredPart() {
    if (measure_.parts == nullptr) return;
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began_;
    (*measure_.parts)[name_] += took.count();
  }
  MeasuredPart(const MeasuredPart&) = delete;
  MeasuredPart& operator=(const MeasuredPart&) = delete;

 private:
  const Measure& measure_;
  const char* name_;
  std::chrono::steady_clock::time_point began_;
};

}  // namespace scsim::exec
