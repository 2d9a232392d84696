// What a calibration measures, in which order: a crossed design, cut into blocks.
//
// A block is one session of one task at one length in one mode, run once by every method, so that
// methods face the same text within seconds of each other and are compared in pairs. Blocks come in
// random order, and so do the methods within a block: what drifts on the machine meets all alike.
// The order is a function of the design and its seed.
#pragma once

#include <cstdint>
#include <vector>

#include "traces/calibration.h"

namespace scsim::exec {

struct PlannedSample {
  SampleKey key;
  std::int64_t order = 0;  // in the whole calibration
};

struct PlannedBlock {
  // What its samples have in common; the method's number is not of it.
  SampleKey key;
  std::vector<PlannedSample> samples;
};

std::vector<PlannedBlock> plan_blocks(const CalibrationDesign& design);

}  // namespace scsim::exec
