#include "tests/oracle/block_pool_oracle.h"

#include <algorithm>
#include <numeric>

#include "traces/check.h"

namespace scsim::oracle {

BlockPoolOracle::BlockPoolOracle(std::size_t num_blocks, std::size_t block_tokens,
                                 bool share_duplicates)
    : block_tokens_(block_tokens), share_duplicates_(share_duplicates), blocks_(num_blocks) {
  free_.resize(num_blocks);
  std::iota(free_.begin(), free_.end(), std::size_t{0});
}

std::string BlockPoolOracle::key(const Request& request, std::size_t block) const {
  std::string key = std::to_string(request.salt) + "|";
  for (std::size_t i = 0; i < (block + 1) * block_tokens_; ++i) {
    const auto& [content, index] = request.tokens.at(i);
    key += std::to_string(content) + ":" + std::to_string(index) + " ";
  }
  return key;
}

std::vector<std::size_t> BlockPoolOracle::find(const Request& request,
                                               std::size_t max_blocks) const {
  std::vector<std::size_t> found;
  while (found.size() < max_blocks) {
    const auto entry = by_key_.find(key(request, found.size()));
    if (entry == by_key_.end()) break;
    found.push_back(entry->second.front());
  }
  return found;
}

std::size_t BlockPoolOracle::free_among(const std::vector<std::size_t>& blocks) const {
  return static_cast<std::size_t>(std::ranges::count_if(
      blocks, [&](std::size_t block) { return blocks_[block].holders == 0; }));
}

std::size_t BlockPoolOracle::lossy_among(const std::vector<std::size_t>& blocks) const {
  return static_cast<std::size_t>(
      std::ranges::count_if(blocks, [&](std::size_t block) { return blocks_[block].lossy; }));
}

void BlockPoolOracle::acquire(std::size_t block) {
  if (blocks_[block].holders++ == 0) free_.remove(block);
}

void BlockPoolOracle::hold(Request& request, const std::vector<std::size_t>& found) {
  SCSIM_CHECK(request.blocks.empty());
  for (const std::size_t block : found) acquire(block);
  request.blocks = found;
  request.registered = found.size();
}

void BlockPoolOracle::take(Request& request, std::size_t count) {
  for (; count > 0; --count) {
    SCSIM_CHECK(!free_.empty());
    const std::size_t taken = free_.front();
    free_.pop_front();
    Block& block = blocks_[taken];
    if (!block.key.empty()) {
      const auto entry = by_key_.find(block.key);
      std::erase(entry->second, taken);
      if (entry->second.empty()) {
        by_key_.erase(entry);
        lost_.push_back(block.key);
      }
      block.key.clear();
      ++evicted_;
    }
    block.holders = 1;
    request.blocks.push_back(taken);
  }
}

void BlockPoolOracle::register_blocks(Request& request, std::size_t to, bool lossy) {
  for (; request.registered < to; ++request.registered) {
    std::size_t& own = request.blocks.at(request.registered);
    const std::string name = key(request, request.registered);
    std::vector<std::size_t>& same = by_key_[name];
    if (share_duplicates_ && !same.empty()) {
      blocks_[own].holders = 0;
      free_.push_front(own);
      own = same.front();
      acquire(own);
    } else {
      blocks_[own].key = name;
      blocks_[own].lossy = lossy;
      same.push_back(own);
    }
  }
}

void BlockPoolOracle::release(Request& request) {
  std::vector<std::size_t> without_key;
  for (std::size_t i = request.blocks.size(); i-- > 0;) {
    const std::size_t block = request.blocks[i];
    if (--blocks_[block].holders > 0) continue;
    if (blocks_[block].key.empty()) {
      without_key.push_back(block);
    } else {
      free_.push_back(block);
    }
  }
  free_.insert(free_.begin(), without_key.begin(), without_key.end());
  request.blocks.clear();
  request.registered = 0;
}

std::size_t BlockPoolOracle::cached_blocks() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(free_, [&](std::size_t block) { return !blocks_[block].key.empty(); }));
}

std::size_t BlockPoolOracle::registered_blocks() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(blocks_, [](const Block& block) { return !block.key.empty(); }));
}

}  // namespace scsim::oracle
