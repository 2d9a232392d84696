// A Measure with a running clock, for tests that look at counts.
#pragma once

#include "exec/api/measure.h"

namespace scsim::test {

struct Measured {
  Measured() { clock.start(); }

  std::unique_ptr<exec::Timeline> timeline = exec::wall_timeline();
  exec::StageClock clock{*timeline};
  PerStage<exec::StageCounts> counts{};
  exec::Measure measure{clock, counts};
  const exec::StageCounts& of(Stage stage) const { return counts[static_cast<std::size_t>(stage)]; }
};

}  // namespace scsim::test
