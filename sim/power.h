// What a pool's engines draw: as configured, or by data sheets (cost_models/gpus.cpp says which).
#pragma once

#include <string>
#include <vector>

#include "traces/expected.h"
#include "traces/result.h"

namespace scsim::proto {
class PowerConfig;
}

namespace scsim::sim {

struct Pool;

// Of an engine of the pool, with its GPUs' part of their hosts. Fills what the configuration leaves
// open; `honesty` gets what was assumed. An error names the key that a device without published
// figures needs.
Expected<Watts> resolve_power(const Pool& pool, proto::PowerConfig& config,
                              std::vector<std::string>& honesty);

}  // namespace scsim::sim
