// A cache whose blocks forget that they are a tree, to compare with counts of others.
//
// A block still is what its tokens and all before them make it, but nothing holds a prefix
// together: each block is an access of its own, first to last, and every one that is there when its
// turn comes is a hit, with holes before it or not (INV-PREFIX does not hold here). So a request's
// earlier blocks may evict its later ones before their turn comes. That is what caches of single
// objects count. The known counts of LRU on Mooncake's conversations are these; they are also what
// judging only leading blocks would give, since LRU touched first to last evicts first blocks
// first, but not what counting, before the request touches anything, every block that is there
// would: 93,977 and not 93,967 at 30,000 blocks.
//
// Policies are those of the store (sim/store/eviction.h); each block is a run of its own, before
// which nothing lies, and each access counts as a request.
//
//   FlatStore store(keeping, 1000, eviction, nullptr, paths);
//   CacheHits hits = store.serve(request, nullptr);
#pragma once

#include <memory>
#include <vector>

#include "sim/store/cache_trace.h"
#include "sim/store/copy_queue.h"
#include "sim/store/next_uses.h"
#include "traces/cache_result.h"

namespace scsim::sim {

// Numbers blocks in the order in which they first come up; equal prefixes have equal numbers.
class BlockNumbers {
 public:
  struct Range {
    std::int64_t first, count;
  };
  BlockNumbers(const CacheKeeping& keeping, TokenPaths& paths)
      : keeping_(keeping), tree_(keeping.block_tokens, paths) {}

  // The path's first `tokens`, in order of depth; good until the next call.
  const std::vector<Range>& number(PathId path, std::int64_t tokens);
  // The number of the partly filled block that ends at `tokens`; -1 if it never came up.
  std::int64_t tail(PathId path, std::int64_t tokens);
  std::int64_t count() const { return next_; }

 private:
  using Tree = RunTree<std::int64_t>;  // the number of a run's first block
  CacheKeeping keeping_;
  Tree tree_;
  std::vector<Tree::Piece> pieces_;
  std::vector<Range> ranges_;
  std::int64_t next_ = 0;
};

class FlatStore final : public Residents {
 public:
  FlatStore(const CacheKeeping& keeping, std::int64_t capacity, const Eviction& eviction,
            std::function<double(std::int64_t from, std::int64_t tokens)> recompute,
            TokenPaths& paths);
  FlatStore(const FlatStore&) = delete;

  // Of the prompt. `future` for policies that want it, else null.
  CacheHits serve(const CacheRequest& request, const NextUses* future);

  CopyId cut(CopyId, std::int64_t) override;  // never: a run is one block

 private:
  struct Access {
    std::int64_t block, depth;
    Use use;                 // numbered by access
    std::uint64_t next_use;  // likewise
  };
  bool access(const Access& access);
  void touch(CopyId copy, const Use& use);
  void evict(CopyId copy, bool remember);
  void forget_ghosts();
  void expire(TimePoint now);
  CopyId& copy_of(std::int64_t block);

  CacheKeeping keeping_;
  BlockNumbers numbers_;
  std::unique_ptr<EvictionPolicy> policy_;
  std::vector<CopyId> copies_;        // by block
  std::vector<std::int64_t> blocks_;  // by copy
  std::vector<CopyId> unused_;
  CopyQueue recency_;  // for the TTL alone
  std::int64_t used_ = 0;
  std::uint64_t accesses_ = 0;
};

}  // namespace scsim::sim
