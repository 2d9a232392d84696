// The blocks of KV that an engine has, by number: which are held, which can be found, which goes
// next. What a block holds is the executor's affair (resident_blocks.h); this only counts.
//
// As vLLM V1's pool decides: a free block is taken among those that nobody can find, then the least
// recently released; a request releases its blocks last to first, so ends of prefixes go first; of
// several blocks with one key the one registered first is found.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <span>
#include <vector>

#include "exec/engine/block_key.h"

namespace scsim::exec {

using BlockId = std::int32_t;

// Who hears that a block's content is gone: nobody can find it any more.
class EvictionListener {
 public:
  virtual ~EvictionListener() = default;
  virtual void evicted(BlockId block, const BlockKey& key) = 0;
};

class BlockPool {
 public:
  explicit BlockPool(std::int64_t num_blocks);
  // REQUIRES: it outlives the pool.
  void set_listener(EvictionListener* listener) { listener_ = listener; }

  std::int64_t num_blocks() const { return std::ssize(blocks_); }
  std::int64_t free_blocks() const { return std::ssize(blank_) + cached_; }
  std::int64_t used_blocks() const { return num_blocks() - free_blocks(); }
  std::int64_t cached_blocks() const { return cached_; }  // free and findable
  std::int64_t evicted_blocks() const { return evicted_; }

  // The block with that key that was registered first; -1 if there is none.
  BlockId find(const BlockKey& key) const;
  bool is_free(BlockId block) const { return blocks_[at(block)].holders == 0; }

  void hold(BlockId block);  // one holder more
  BlockId take();            // with one holder. REQUIRES: free_blocks() > 0
  // Can be found from now on. REQUIRES: it is held and has no key.
  void add_key(BlockId block, const BlockKey& key);
  // One holder less for each, last to first.
  void release(std::span<const BlockId> blocks);

 private:
  static constexpr BlockId kNone = -1;
  struct Block {
    BlockKey key;
    bool findable = false;
    std::int32_t holders = 0;
    BlockId older = kNone, newer = kNone;  // neighbours in the order of release, while free
  };
  static std::size_t at(BlockId block) { return static_cast<std::size_t>(block); }
  void unlink(BlockId block);
  void append_newest(BlockId block);
  void forget(BlockId block);

  std::vector<Block> blocks_;
  std::vector<BlockId> blank_;  // free, and nothing to be found in them; the last is taken first
  BlockId oldest_ = kNone, newest_ = kNone;
  std::int64_t cached_ = 0, evicted_ = 0;
  boost::unordered_flat_map<BlockKey, std::vector<BlockId>, BlockKeyHash> by_key_;
  EvictionListener* listener_ = nullptr;
};

}  // namespace scsim::exec
