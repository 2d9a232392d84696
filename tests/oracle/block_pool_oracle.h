// The KV blocks of one engine, block by block: what sim/block_pool.h must decide, the slow way.
//
// A block has a count of holders and, once registered, a key: every token up to its last, written
// out. The free queue is a list; blocks without a key are put at its head, those with one at its
// tail, last block of a request first; what is taken from its head loses its key. Several blocks
// can have one key; a lookup finds the one registered first of those still there.
#pragma once

#include <cstdint>
#include <list>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace scsim::oracle {

class BlockPoolOracle {
 public:
  using Token = std::pair<std::uint64_t, std::int64_t>;  // content, index in it
  struct Request {
    std::uint64_t salt = 0;
    std::vector<Token> tokens;
    std::vector<std::size_t> blocks;  // held
    std::size_t registered = 0;       // of those, from the first
  };

  // With `share_duplicates` a request whose block is registered already takes that one instead.
  BlockPoolOracle(std::size_t num_blocks, std::size_t block_tokens, bool share_duplicates);

  // The longest registered prefix, at most `max_blocks` long.
  std::vector<std::size_t> find(const Request& request, std::size_t max_blocks) const;
  std::size_t free_among(const std::vector<std::size_t>& blocks) const;  // held by nobody
  std::size_t lossy_among(const std::vector<std::size_t>& blocks) const;
  void hold(Request& request, const std::vector<std::size_t>& found);
  void take(Request& request, std::size_t count);  // REQUIRES: count <= free_blocks()
  // `lossy`: they were loaded through a lossy codec.
  void register_blocks(Request& request, std::size_t to, bool lossy = false);
  void release(Request& request);

  std::size_t free_blocks() const { return free_.size(); }
  std::size_t cached_blocks() const;      // free, with a key
  std::size_t registered_blocks() const;  // with a key
  std::size_t evicted_blocks() const { return evicted_; }
  // Keys of which the last block has been evicted, in that order; a key may come again.
  const std::vector<std::string>& lost() const { return lost_; }
  std::string key(const Request& request, std::size_t block) const;

 private:
  struct Block {
    int holders = 0;
    std::string key;  // empty: not registered
    bool lossy = false;
  };
  void acquire(std::size_t block);

  std::size_t block_tokens_;
  bool share_duplicates_;
  std::vector<Block> blocks_;
  std::list<std::size_t> free_;
  std::unordered_map<std::string, std::vector<std::size_t>> by_key_;  // in order of registration
  std::size_t evicted_ = 0;
  std::vector<std::string> lost_;
};

}  // namespace scsim::oracle
