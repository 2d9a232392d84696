// RAPL: energy counters of CPU packages and of their memory, as Linux shows them.
//
// Zones `intel-rapl:N` (AMD's too) are packages; zones inside of them, `intel-rapl:N:M`, are parts
// of the package's energy, all but `dram`, which is its own. `psys`, the whole board, holds them
// all and is left out, and so is `intel-rapl-mmio`, the same packages seen another way.
#pragma once

#include <string>

#include "exec/session/energy.h"

namespace scsim::exec {

EnergyCounters rapl_counters(const std::string& powercap = "/sys/class/powercap");

}  // namespace scsim::exec
