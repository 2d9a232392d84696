// When each request's blocks are used next: for policies that are told the future.
//
// The requests are read once and then gone through from the last to the first, in a tree of runs
// that knows for each prefix the next request to ask for it. All capacities and policies share the
// answer. Memory: the pieces of every request.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "sim/store/cache_trace.h"
#include "sim/store/kv_store.h"

namespace scsim::sim {

class NextUses {
 public:
  static Expected<NextUses> read(const std::string& trace, const CacheKeeping& keeping,
                                 const std::function<void(double)>& progress);

  std::uint64_t requests() const { return begin_.size(); }
  // By increasing depth, the last at the end of what the request leaves in the cache. A use is a
  // request whose prompt asks for the block.
  std::span<const KvStore::NextUse> of(std::uint64_t request) const;
  // Blocks that all requests before this one left in the cache, each counted as often as it was
  // left.
  std::int64_t blocks_before(std::uint64_t request) const { return blocks_before_[request]; }

 private:
  std::vector<KvStore::NextUse> uses_;  // of the last request first
  std::vector<std::size_t> begin_;      // by request
  std::vector<std::int64_t> blocks_before_;
};

}  // namespace scsim::sim
