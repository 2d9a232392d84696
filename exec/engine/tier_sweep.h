// What it takes to move blocks between the engine's memory and a tier below, measured where it
// happens: the seconds of stage retrieval of real engine steps, by the engine's own clock.
//
//   Expected<std::vector<TierSample>> samples = measure_tier(engine, 16, 3, seed);
//
// Prompts of so many blocks come round and round, more than the engine has room for. The first time
// they are computed, and each pushes older blocks out into the tier; later each is brought back.
// Steps that do both are not samples.
#pragma once

#include <cstdint>
#include <vector>

#include "exec/engine/engine.h"

namespace scsim::exec {

struct TierSample {
  std::int64_t blocks = 0;  // moved in one step
  bool written = false;     // out of the engine; else into it
  double seconds = 0;
};

// `rounds` times as many reads as prompts, at least; one write of each prompt. The error is the
// model's. REQUIRES: nothing runs or waits; the engine's store has one tier, with room for three
// times the engine's blocks for each call with another seed; 1 <= blocks < the engine's own.
Expected<std::vector<TierSample>> measure_tier(Engine& engine, std::int64_t blocks, int rounds,
                                               std::uint64_t seed);

}  // namespace scsim::exec
