// What the engine's findable blocks hold: the pages of each, one for every head of every layer,
// kept alive by a reference of their own. The scheduler's pool says which block is which; requests
// hold the same pages through their caches.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "exec/api/kv_cache.h"
#include "exec/engine/block_pool.h"

namespace scsim::exec {

class ResidentBlocks {
 public:
  // REQUIRES: `memory` outlives it.
  ResidentBlocks(KvMemory& memory, std::int64_t num_blocks)
      : memory_(memory), pages_(static_cast<std::size_t>(num_blocks)) {}
  ~ResidentBlocks();
  ResidentBlocks(const ResidentBlocks&) = delete;
  ResidentBlocks& operator=(const ResidentBlocks&) = delete;

  // The pages of the cache's `number`th block are the block's. REQUIRES: that block of the cache is
  // full; nothing is known of `block`.
  void keep(BlockId block, const KvCache& cache, std::int64_t number);
  // Takes pages for a block whose content comes from elsewhere; whatever was in them is in them.
  std::span<const PageRef> take(BlockId block, std::int64_t pages, Measure& measure);
  void drop(BlockId block);
  // Empty: nothing is known of it.
  std::span<const PageRef> pages(BlockId block) const { return of(block); }

 private:
  std::vector<PageRef>& of(BlockId block) { return pages_[static_cast<std::size_t>(block)]; }
  const std::vector<PageRef>& of(BlockId block) const {
    return pages_[static_cast<std::size_t>(block)];
  }
  KvMemory& memory_;
  std::vector<std::vector<PageRef>> pages_;
};

}  // namespace scsim::exec
