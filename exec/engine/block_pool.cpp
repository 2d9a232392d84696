#include "exec/engine/block_pool.h"

#include "traces/check.h"

namespace scsim::exec {

BlockPool::BlockPool(std::int64_t num_blocks) : blocks_(static_cast<std::size_t>(num_blocks)) {
  for (auto block = static_cast<BlockId>(num_blocks); block > 0; --block)
    blank_.push_back(block - 1);
}

BlockId BlockPool::find(const BlockKey& key) const {
  const auto found = by_key_.find(key);
  return found == by_key_.end() ? kNone : found->second.front();
}

void BlockPool::hold(BlockId block) {
  if (blocks_[at(block)].holders++ > 0) return;
  SCSIM_CHECK(blocks_[at(block)].findable);
  unlink(block);
}

BlockId BlockPool::take() {
  BlockId block = oldest_;
  if (!blank_.empty()) {
    block = blank_.back();
    blank_.pop_back();
  } else {
    SCSIM_CHECK(block != kNone);
    unlink(block);
    forget(block);
  }
  blocks_[at(block)].holders = 1;
  return block;
}

void BlockPool::add_key(BlockId block, const BlockKey& key) {
  Block& of = blocks_[at(block)];
  SCSIM_CHECK(of.holders > 0 && !of.findable);
  of.key = key;
  of.findable = true;
  by_key_[key].push_back(block);
}

void BlockPool::release(std::span<const BlockId> blocks) {
  for (std::size_t i = blocks.size(); i-- > 0;) {
    const BlockId block = blocks[i];
    Block& of = blocks_[at(block)];
    SCSIM_CHECK(of.holders > 0);
    if (--of.holders > 0) continue;
    if (of.findable) {
      append_newest(block);
    } else {
      blank_.push_back(block);
    }
  }
}

void BlockPool::unlink(BlockId block) {
  Block& of = blocks_[at(block)];
  (of.older == kNone ? oldest_ : blocks_[at(of.older)].newer) = of.newer;
  (of.newer == kNone ? newest_ : blocks_[at(of.newer)].older) = of.older;
  of.older = of.newer = kNone;
  --cached_;
}

void BlockPool::append_newest(BlockId block) {
  Block& of = blocks_[at(block)];
  of.older = newest_;
  (newest_ == kNone ? oldest_ : blocks_[at(newest_)].newer) = block;
  newest_ = block;
  ++cached_;
}

void BlockPool::forget(BlockId block) {
  Block& of = blocks_[at(block)];
  const auto entry = by_key_.find(of.key);
  std::erase(entry->second, block);
  if (entry->second.empty()) by_key_.erase(entry);
  of.findable = false;
  ++evicted_;
  if (listener_ != nullptr) listener_->evicted(block, of.key);
}

}  // namespace scsim::exec
