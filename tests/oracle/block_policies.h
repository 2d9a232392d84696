// The eviction policies on single blocks; for tests/oracle/block_cache_oracle.h.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "tests/oracle/block_cache_oracle.h"

namespace scsim::oracle {

// Null: no such policy is known here.
std::unique_ptr<BlockPolicy> make_block_policy(const std::string& name,
                                               const std::map<std::string, double>& parameters,
                                               const BlockCacheState& state);

}  // namespace scsim::oracle
