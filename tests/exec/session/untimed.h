// What must be the same whenever the same design is measured: all but times, memory and dates.
#pragma once

#include "traces/calibration.h"

namespace scsim::exec {

inline SessionSample untimed(SessionSample sample) {
  const auto clear = [](SampleCost& cost) {
    cost.total_seconds = 0;
    cost.peak_memory_bytes.reset();
    cost.energy_joules.clear();
    for (StageCost& stage : cost.stages) stage.seconds = 0;
  };
  sample.began_unix_ns = 0;
  if (sample.context) clear(*sample.context);
  for (TurnSample& turn : sample.turns) {
    clear(turn.cost);
    turn.decode_seconds = 0;
    if (turn.ttft_seconds) turn.ttft_seconds = 0;
    if (turn.server) {
      turn.server->itl_seconds.assign(turn.server->itl_seconds.size(), 0);
    }
  }
  return sample;
}

}  // namespace scsim::exec
