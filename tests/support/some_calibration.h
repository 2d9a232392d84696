// Calibrations for tests: drawn at random, but such as a run could have made.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "traces/calibration.h"

namespace scsim::test {

// Two methods ("full", "snapkv"), two tasks, both modes, two lengths, three sessions of three
// turns, two repeats.
CalibrationDesign some_design();
// Every key of the design but its warm-ups, in an order that depends on the seed.
std::vector<SampleKey> all_keys(const CalibrationDesign& design);
SessionSample some_session(const CalibrationDesign& design, const SampleKey& key,
                           std::int64_t order);
OperatorSample some_operator(int number);

// Writes all of it to `path`.
void write_calibration(const std::string& path, const CalibrationDesign& design,
                       const std::vector<SessionSample>& sessions,
                       const std::vector<OperatorSample>& operators = {});

}  // namespace scsim::test
