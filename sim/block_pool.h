// The KV blocks of one engine: a prefix cache that keeps runs of blocks, not blocks.
//
// What it decides is exactly what a block-by-block pool in the manner of vLLM V1's decides (the
// oracle in tests/oracle/block_pool_oracle.h, and the recorded scheduler behind
// tests/sim/steps_test.cpp):
//   * a block can be found when it is full and registered; a hit is the longest registered prefix;
//   * free blocks are taken in this order: those that hold nothing findable, then the least
//   recently
//     released; a request releases its blocks last to first, so leaves of the prefix tree go first;
//   * the same tokens may lie in several blocks at once (a request always computes its last token);
//     a lookup finds the copy registered first.
//
// Registered blocks form a tree of *nodes*, each a run of blocks that are always used together. A
// node is described by a token path and a range of depths in blocks. Each *copy* of a node is one
// set of physical blocks with a count of the requests that hold it. A node is split where two
// requests part or where one of several copies is cut. So cost grows with the pieces of prompts and
// the branches of the tree, never with blocks.
//
// Tenants with limits have a *partition* of the pool each, the others share one: blocks held are
// charged to the request that holds them, cached ones to the partition that computed them. Above
// its quota a partition evicts its own; below its guarantee it loses nothing to others. REQUIRES:
// no two partitions share a prefix (their paths differ in salt), so each can be evicted leaves
// first.
//
// A request's blocks are its *chain*: the copies it holds from the root down (registered), and
// behind them blocks that nobody can find yet (counted by the caller). While a request decodes, its
// chain grows by a block every so many steps; nothing is done for that until somebody looks
// (`settle`).
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <vector>

#include "sim/token_path.h"
#include "traces/result.h"
#include "traces/time.h"

namespace scsim::sim {

using ChainId = std::int32_t;

// Who knows how far a growing chain has come.
class ChainGrowth {
 public:
  virtual ~ChainGrowth() = default;
  // Full blocks, from the root, that the chain's request has computed by now.
  virtual std::int64_t full_blocks(ChainId chain) const = 0;
  // From now on the chain's growth must be settled after every step: another request is about to
  // compute the same tokens.
  virtual void grow_eagerly(ChainId chain) = 0;
};

// Who hears of blocks that nobody can find here any more.
class EvictionListener {
 public:
  virtual ~EvictionListener() = default;
  // The last copy of blocks [from, to) of the path has been evicted. The path lives until the call
  // returns. What a growing chain has computed again without having been settled is no copy yet; it
  // will be told of when it goes in turn.
  virtual void evicted(PathId path, std::int64_t from, std::int64_t to, TimePoint now) = 0;
};

struct PartitionLimit {  // in blocks
  std::int64_t quota = 0;
  std::int64_t guarantee = 0;
};

class BlockPool {
 public:
  struct Options {
    std::int64_t num_blocks = 0;  // usable
    std::int64_t block_tokens = 16;
    bool share_duplicates = false;  // a request whose new block is there already takes the other
    std::vector<PartitionLimit> limits = {};  // of partitions 1, 2, ...; 0 has none
  };
  // What is known of a lookup; valid until the pool changes.
  struct Match {
    struct Piece {
      std::int32_t node;
      std::int64_t blocks;  // of the node's, from its first
    };
    std::vector<Piece> pieces;
    std::int64_t blocks = 0;
    std::int64_t free_blocks = 0;   // of those, held by nobody: using them takes them from the free
    std::int64_t lossy_blocks = 0;  // of those, loaded through a lossy codec

    void clear() {
      pieces.clear();
      blocks = free_blocks = lossy_blocks = 0;
    }
  };

  BlockPool(const Options& options, TokenPaths& paths, ChainGrowth& growth);

  // REQUIRES: it outlives the pool.
  void set_listener(EvictionListener* listener) { listener_ = listener; }

  std::int64_t num_blocks() const { return options_.num_blocks; }
  std::int64_t block_tokens() const { return options_.block_tokens; }
  std::int64_t free_blocks() const { return blank_ + cached_; }
  // Of those, what a request of the partition may take, its quota apart.
  std::int64_t free_blocks(std::size_t partition) const;
  std::int64_t used_blocks() const { return options_.num_blocks - free_blocks(); }
  std::int64_t cached_blocks() const { return cached_; }  // free and findable
  std::int64_t evicted_blocks() const { return evicted_; }
  const LifetimeHistogram& lifetimes() const { return lifetimes_; }

  // The longest registered prefix of `path`, at most `max_blocks` long.
  void find(PathId path, std::int64_t max_blocks, TimePoint now, Match& match);
  // How many there are, but for what running answers have added since anybody asked: a question
  // that changes nothing.
  std::int64_t peek(PathId path, std::int64_t max_blocks) const;

  // Takes over the caller's reference to the path.
  ChainId open_chain(PathId path, std::size_t partition = 0);
  void close_chain(ChainId chain);  // REQUIRES: released
  // Holds what was found. REQUIRES: the chain is empty; the match is of this moment.
  void hold(ChainId chain, const Match& match, TimePoint now);
  // Takes blocks from the free ones, for the caller to count. REQUIRES: count <= free_blocks() of
  // the partition, and its quota allows them.
  void take(std::int64_t count, TimePoint now, std::size_t partition = 0);
  // Registers the chain's blocks up to `to`, which were taken before. Those loaded through a lossy
  // codec are marked; what is computed behind them is not.
  void register_blocks(ChainId chain, std::int64_t to, TimePoint now, bool lossy = false);
  std::int64_t registered(ChainId chain) const { return chains_[chain].registered; }
  // Lets go of the whole chain: `total` blocks, registered and not.
  void release(ChainId chain, std::int64_t total, TimePoint now);

  void start_growing(ChainId chain, TimePoint now);
  // Whether the block that the chain registers next lies on the path of the other.
  bool follows(ChainId chain, ChainId other) const;
  void stop_growing(ChainId chain, TimePoint now);  // settles it
  void settle(ChainId chain, TimePoint now);

  // Everything cached is gone at once, and nobody is told; gives how many blocks. REQUIRES: nobody
  // holds any.
  std::int64_t lose_all(TimePoint now);

  // Adds what is still cached or held to the lifetimes, as resident at the end.
  void end_of_run(TimePoint now);
  // Stands for all that the pool decides by; cost O(nodes).
  std::uint64_t fingerprint() const;
  // INV-CONSERVE and INV-PREFIX over the whole pool; cost O(nodes); for tests.
  void check_everything() const;

 private:
  static constexpr std::int32_t kNone = -1;
  static constexpr std::int32_t kRoot = 0;

  struct Node {
    std::uint64_t key = 0;            // hash of parent and first block
    std::int64_t begin = 0, end = 0;  // depth, in blocks
    PathId path = kNoPath;
    std::int32_t piece = 0;  // of the path, at or before the first token
    std::int32_t parent = kNone;
    std::int32_t children = 0;
    std::int32_t first_copy = kNone;
    std::int32_t next_same_key = kNone;
    ChainId growers = kNone;  // chains that end here and grow
  };
  struct Copy {
    TimePoint computed, answered;  // when its blocks below / from `answer_begin` on were registered
    std::int64_t answer_begin = 0;  // depth
    std::int32_t node = kNone;
    std::int32_t holders = 0;
    bool lossy = false;
    std::int16_t partition = 0;
    std::uint64_t released = 0;                 // orders copies of different partitions
    std::int32_t older = kNone, newer = kNone;  // neighbours in the order of release, while free
    std::int32_t next_copy = kNone;
    // When a node is split, the copy keeps its identity for the lower part, which is where chains
    // end; those who held it before hold the upper part as well: all `upper` of splits after their
    // hold.
    std::int32_t upper = kNone, next_upper = kNone;
    std::uint32_t upper_split = 0, next_upper_split = 0;
  };
  struct Hold {
    std::int32_t copy;
    std::uint32_t split;  // number of the last split when it was taken
  };
  struct Chain {
    PathId path = kNoPath;
    std::vector<Hold> holds;
    std::int64_t registered = 0;
    TimePoint since;            // when it began to hold blocks
    std::int32_t tail = kRoot;  // node
    ChainId next_grower = kNone, previous_grower = kNone;
    bool growing = false;
    std::int16_t partition = 0;
  };
  struct Partition {
    std::int32_t oldest = kNone, newest = kNone;  // copies that nobody holds, by release
    std::int64_t cached = 0;
    std::int64_t held = 0;  // by its requests, shared blocks counted by each; with limits alone
    PartitionLimit limit;
  };

  std::int64_t length(const Node& node) const { return node.end - node.begin; }
  std::uint64_t child_key(std::int32_t parent, PathId path, std::int32_t piece,
                          std::int64_t depth) const;
  // The child of `parent` that begins with the block of `path` at `depth`, and how many blocks
  // agree.
  std::int32_t child(std::int32_t parent, PathId path, std::int32_t piece, std::int64_t depth,
                     std::int64_t max_depth, std::int64_t& agree) const;
  std::int64_t agreement(std::int32_t node, PathId path, std::int32_t piece, std::int64_t depth,
                         std::int64_t max_depth) const;
  bool grows_in_place(const Chain& chain, bool lossy) const;
  // Every chain but `except` that grows at `node` registers what it has; those whose next block is
  // one of `path` grow eagerly from now on. The path agrees with the node up to `depth`.
  void settle_growers(std::int32_t node, PathId path, std::int64_t depth, TimePoint now,
                      ChainId except = kNone);
  // Whether the chain's next block is one of `path`, which it agrees with up to depth `agreed`.
  bool meets(ChainId chain, PathId path, std::int64_t agreed) const;
  // Joins those who grow at its tail, and what goes the same way grows eagerly from now on.
  void join_growers(ChainId chain, TimePoint now);
  std::int32_t new_node(std::int32_t parent, PathId path, std::int32_t piece, std::int64_t begin,
                        std::int64_t end);
  std::int32_t add_copy(std::int32_t node, TimePoint now, bool answer, bool lossy,
                        std::int16_t partition);
  std::int32_t split(std::int32_t node, std::int64_t depth);  // gives the new upper node
  void insert_child(std::int32_t node);
  void remove_child(std::int32_t node);
  void remove_node(std::int32_t node);
  void acquire(std::int32_t copy);
  void release_copy(std::int32_t copy, std::uint32_t split);
  void append_newest(std::int32_t copy);
  void unlink(std::int32_t copy);
  void evict(std::int64_t count, std::size_t partition, TimePoint now);
  void evict_from(Partition& partition, std::int64_t count, TimePoint now,
                  BlockEnd why = BlockEnd::kEvicted);
  std::int64_t to_spare(const Partition& partition) const;  // cached blocks that others may take
  void keep_quota(Partition& partition, TimePoint now);
  Partition& partition_of(const Copy& copy) {
    return partitions_[static_cast<std::size_t>(copy.partition)];
  }
  void record_end(const Copy& copy, std::int64_t from, std::int64_t to, BlockEnd why,
                  TimePoint now);
  void record_lives(std::int64_t blocks, TimePoint since, BlockEnd why, TimePoint now);
  void leave_growers(ChainId chain);
  std::uint64_t held_by(std::size_t chain, std::int32_t copy, std::uint32_t split,
                        const std::vector<std::uint64_t>& name) const;

  Options options_;
  TokenPaths& paths_;
  ChainGrowth& growth_;
  EvictionListener* listener_ = nullptr;
  std::vector<Node> nodes_;
  std::vector<Copy> copies_;
  std::vector<Chain> chains_;
  std::vector<std::int32_t> unused_nodes_, unused_copies_;
  std::vector<ChainId> unused_chains_;
  boost::unordered_flat_map<std::uint64_t, std::int32_t> children_;
  std::vector<Partition> partitions_;
  std::uint64_t releases_ = 0;
  std::uint32_t splits_ = 0;
  std::int64_t blank_ = 0;         // free, nothing findable in them
  std::int64_t cached_ = 0;        // free, findable
  std::int64_t held_ = 0;          // registered and held
  std::int64_t unregistered_ = 0;  // taken, not registered
  std::int64_t evicted_ = 0;
  LifetimeHistogram lifetimes_;
};

}  // namespace scsim::sim
