// A store for results of sample_result.h, for tests of what reports say of tiers.
#pragma once

#include "traces/result.h"

namespace scsim::analysis {

// Two tiers, the second with a lossy codec, and four links, of which one has no limit and one
// carried nothing. Every sum adds up: what tenants hold to what the tier holds, what requests
// fetched to what the tiers gave.
void add_store(Result& result);

}  // namespace scsim::analysis
