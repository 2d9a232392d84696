// Engine steps for tests, drawn at random, whose seconds obey a law that is known.
#pragma once

#include <cstdint>
#include <vector>

#include "traces/calibration.h"
#include "traces/profile.h"

namespace scsim::test {

// Seconds of a step: so much a step, a new token (those beyond the first 16 cost half), a pair that
// a prefill attends, a token that a decode or a prefill reads, and a sampled token.
struct StepLaw {
  double step = 0.02, token = 4e-4, prefill_pair = 2e-8, context = 1e-6, sampled = 3e-4;
  double seconds(const std::vector<std::int64_t>& fresh, const std::vector<std::int64_t>& cached,
                 std::int64_t sampled_rows) const;
};

// Prefills of up to 512 tokens behind up to 4,096, up to 32 decodes, and both; each of three
// repeats off by up to `noise` of itself. `method` is a position in the design's.
std::vector<OperatorSample> some_steps(int count, double noise, int method = 0,
                                       const StepLaw& law = {});

// some_design() with such steps.
Calibration step_calibration(int count, double noise);

}  // namespace scsim::test
