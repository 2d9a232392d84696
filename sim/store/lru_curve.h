// What LRU finds at every capacity, in one pass over the requests.
//
// The blocks of a request are touched last to first, so that a prefix is always more recent than
// what stands on it: LRU then evicts leaves first, and is a stack algorithm (Mattson, Gecsei, Slutz
// and Traiger, Evaluation techniques for storage hierarchies, IBM Systems Journal 1970). A block is
// there at capacity c exactly if its place in the stack of blocks by recency is at most c.
//
// This works on runs of blocks, not on blocks. Every request has a *slot*, later ones higher; a
// block is in the slot of the last request that touched it. A request takes prefixes out of other
// slots, never something from their middle, so what remains in a slot is the end of one path, the
// shallowest most recent; and along a path slots never increase. So a prompt is a few segments, one
// for each slot it meets; a segment's first place is one more than the blocks in all higher slots,
// and its blocks lie in successive places. A Fenwick tree over the slots counts those above, and a
// segment is two entries in a table of differences of hits by capacity.
//
// Cost of a request: its walk in the tree of runs and O(log) of the slots for each segment. Memory
// grows with the prefixes that are different (runs, never blocks): slots nobody is in are given
// back, and differences are kept where there are any.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <vector>

#include "sim/store/cache_trace.h"
#include "sim/store/run_tree.h"
#include "traces/cache_result.h"

namespace scsim::sim {

class LruCurve {
 public:
  LruCurve(const CacheKeeping& keeping, TokenPaths& paths);

  // The next request: judged, then touched.
  void serve(const CacheRequest& request);

  std::int64_t requests() const { return requests_; }
  const CacheHits& total() const { return total_; }       // asked for so far
  std::int64_t unique_blocks() const { return blocks_; }  // different ones, as many as there are
  // Found at this capacity. The first call after serve() sorts the table.
  CacheHits hits(std::int64_t capacity) const;
  // Every capacity at which more is found than with one block less.
  std::vector<std::int64_t> steps() const;

 private:
  using Slot = std::uint32_t;
  using Tree = RunTree<Slot>;

  void judge(std::int64_t prompt_tokens);
  void touch(const CacheRequest& request);
  void add(Slot slot, std::int64_t blocks);
  std::int64_t blocks_above(Slot slot) const;
  void renumber_slots();
  void sort() const;

  CacheKeeping keeping_;
  Tree tree_;
  std::vector<Tree::Piece> pieces_;
  std::vector<std::int64_t> in_slot_;  // blocks
  std::vector<std::int64_t> sums_;     // Fenwick tree of in_slot_
  Slot next_slot_ = 0;
  std::int64_t blocks_ = 0, requests_ = 0;
  CacheHits total_;

  // By place in the stack: how many more blocks are found there than one place before; and how many
  // tokens the partly filled blocks found there lack.
  struct Change {
    std::int64_t blocks = 0, lacking = 0;
  };
  boost::unordered_flat_map<std::int64_t, Change> changes_;
  // From `capacity` on, up to the next one: hits = blocks + slope * (c - capacity).
  struct Stretch {
    std::int64_t capacity, blocks, slope, lacking;
  };
  mutable std::vector<Stretch> stretches_;
  mutable bool sorted_ = false;
};

}  // namespace scsim::sim
