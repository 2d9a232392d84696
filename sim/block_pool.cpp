#include "sim/block_pool.h"

#include <algorithm>

namespace scsim::sim {

BlockPool::BlockPool(const Options& options, TokenPaths& paths, ChainGrowth& growth)
    : options_(options), paths_(paths), growth_(growth), blank_(options.num_blocks) {
  SCSIM_CHECK_GT(options.num_blocks, 0);
  SCSIM_CHECK_GT(options.block_tokens, 0);
  nodes_.emplace_back();  // the root
  partitions_.resize(1 + options.limits.size());
  for (std::size_t i = 0; i < options.limits.size(); ++i)
    partitions_[i + 1].limit = options.limits[i];
}

// ---- the tree ----

std::uint64_t BlockPool::child_key(std::int32_t parent, PathId path, std::int32_t piece,
                                   std::int64_t depth) const {
  const std::int64_t from = depth * options_.block_tokens;
  return paths_.hash(path, piece, from, from + options_.block_tokens) +
         static_cast<std::uint64_t>(parent) * 0x9E3779B97F4A7C15u;
}

std::int64_t BlockPool::agreement(std::int32_t id, PathId path, std::int32_t piece,
                                  std::int64_t depth, std::int64_t max_depth) const {
  const Node& node = nodes_[id];
  const std::int64_t limit = std::min(node.end, max_depth) * options_.block_tokens;
  const std::int64_t from = depth * options_.block_tokens;
  return paths_.agree_until(node.path, node.piece, path, piece, from, limit) /
             options_.block_tokens -
         depth;
}

std::int32_t BlockPool::child(std::int32_t parent, PathId path, std::int32_t piece,
                              std::int64_t depth, std::int64_t max_depth,
                              std::int64_t& agree) const {
  if (nodes_[parent].children == 0) return kNone;
  const auto found = children_.find(child_key(parent, path, piece, depth));
  if (found == children_.end()) return kNone;
  for (std::int32_t id = found->second; id != kNone; id = nodes_[id].next_same_key) {
    if (nodes_[id].parent != parent) continue;
    agree = agreement(id, path, piece, depth, max_depth);
    if (agree > 0) return id;
  }
  return kNone;
}

void BlockPool::insert_child(std::int32_t id) {
  Node& node = nodes_[id];
  auto [place, fresh] = children_.try_emplace(node.key, id);
  node.next_same_key = fresh ? kNone : place->second;
  place->second = id;
}

void BlockPool::remove_child(std::int32_t id) {
  const auto place = children_.find(nodes_[id].key);
  SCSIM_CHECK(place != children_.end());
  std::int32_t* link = &place->second;
  while (*link != id) {
    SCSIM_CHECK_NE(*link, kNone);
    link = &nodes_[*link].next_same_key;
  }
  *link = nodes_[id].next_same_key;
  if (place->second == kNone) children_.erase(place);
}

std::int32_t BlockPool::new_node(std::int32_t parent, PathId path, std::int32_t piece,
                                 std::int64_t begin, std::int64_t end) {
  std::int32_t id;
  if (unused_nodes_.empty()) {
    id = static_cast<std::int32_t>(nodes_.size());
    nodes_.emplace_back();
  } else {
    id = unused_nodes_.back();
    unused_nodes_.pop_back();
    nodes_[id] = Node{};
  }
  Node& node = nodes_[id];
  node.begin = begin;
  node.end = end;
  node.path = path;
  node.piece = paths_.piece_at(path, begin * options_.block_tokens, piece);
  node.parent = parent;
  node.key = child_key(parent, path, node.piece, begin);
  paths_.add_reference(path);
  ++nodes_[parent].children;
  insert_child(id);
  return id;
}

void BlockPool::remove_node(std::int32_t id) {
  Node& node = nodes_[id];
  SCSIM_CHECK_EQ(node.children, 0);  // INV-PREFIX: no child outlives its parent
  SCSIM_CHECK_EQ(node.growers, kNone);
  remove_child(id);
  --nodes_[node.parent].children;
  paths_.drop_reference(node.path);
  node = Node{};
  unused_nodes_.push_back(id);
}

std::int32_t BlockPool::add_copy(std::int32_t node_id, TimePoint now, bool answer, bool lossy,
                                 std::int16_t partition) {
  std::int32_t id;
  if (unused_copies_.empty()) {
    id = static_cast<std::int32_t>(copies_.size());
    copies_.emplace_back();
  } else {
    id = unused_copies_.back();
    unused_copies_.pop_back();
    copies_[id] = Copy{};
  }
  Copy& copy = copies_[id];
  Node& node = nodes_[node_id];
  copy.node = node_id;
  copy.holders = 1;
  copy.lossy = lossy;
  copy.partition = partition;
  copy.computed = copy.answered = now;
  copy.answer_begin = answer ? node.begin : node.end;
  std::int32_t* link = &node.first_copy;
  while (*link != kNone) link = &copies_[*link].next_copy;
  *link = id;
  return id;
}

std::int32_t BlockPool::split(std::int32_t lower_id, std::int64_t depth) {
  const std::int32_t parent = nodes_[lower_id].parent;
  SCSIM_CHECK_GT(depth, nodes_[lower_id].begin);
  SCSIM_CHECK_LT(depth, nodes_[lower_id].end);
  remove_child(lower_id);
  --nodes_[parent].children;
  const std::int32_t upper_id = new_node(parent, nodes_[lower_id].path, nodes_[lower_id].piece,
                                         nodes_[lower_id].begin, depth);
  Node& lower = nodes_[lower_id];
  lower.begin = depth;
  lower.parent = upper_id;
  lower.piece = paths_.piece_at(lower.path, depth * options_.block_tokens, lower.piece);
  lower.key = child_key(upper_id, lower.path, lower.piece, depth);
  nodes_[upper_id].children = 1;
  insert_child(lower_id);

  ++splits_;
  for (std::int32_t c = nodes_[lower_id].first_copy; c != kNone; c = copies_[c].next_copy) {
    const std::int32_t u =
        add_copy(upper_id, copies_[c].computed, false, copies_[c].lossy, copies_[c].partition);
    Copy& below = copies_[c];
    Copy& above = copies_[u];
    above.answered = below.answered;
    above.answer_begin = std::min(below.answer_begin, depth);
    above.holders = below.holders;
    above.next_upper = below.upper;
    above.next_upper_split = below.upper_split;
    below.upper = u;
    below.upper_split = splits_;
    if (below.holders == 0) {  // free: right after the lower part in the order of release
      above.older = c;
      above.newer = below.newer;
      above.released = below.released;
      (below.newer == kNone ? partition_of(below).newest : copies_[below.newer].older) = u;
      below.newer = u;
    }
  }
  return upper_id;
}

// ---- the order of release ----

void BlockPool::append_newest(std::int32_t id) {
  Copy& copy = copies_[id];
  Partition& partition = partition_of(copy);
  copy.released = releases_++;
  copy.older = partition.newest;
  copy.newer = kNone;
  (partition.newest == kNone ? partition.oldest : copies_[partition.newest].newer) = id;
  partition.newest = id;
}

void BlockPool::unlink(std::int32_t id) {
  Copy& copy = copies_[id];
  Partition& partition = partition_of(copy);
  (copy.older == kNone ? partition.oldest : copies_[copy.older].newer) = copy.newer;
  (copy.newer == kNone ? partition.newest : copies_[copy.newer].older) = copy.older;
  copy.older = copy.newer = kNone;
}

void BlockPool::acquire(std::int32_t id) {
  Copy& copy = copies_[id];
  if (copy.holders++ == 0) {
    unlink(id);
    const std::int64_t blocks = length(nodes_[copy.node]);
    cached_ -= blocks;
    partition_of(copy).cached -= blocks;
    held_ += blocks;
  }
}

void BlockPool::release_copy(std::int32_t id, std::uint32_t split) {
  Copy& copy = copies_[id];
  SCSIM_CHECK_GT(copy.holders, 0);
  if (--copy.holders == 0) {
    append_newest(id);
    const std::int64_t blocks = length(nodes_[copy.node]);
    held_ -= blocks;
    cached_ += blocks;
    partition_of(copy).cached += blocks;
  }
  std::int32_t upper = copy.upper;
  std::uint32_t upper_split = copy.upper_split;
  while (upper != kNone && upper_split > split) {
    const std::int32_t next = copies_[upper].next_upper;
    const std::uint32_t next_split = copies_[upper].next_upper_split;
    release_copy(upper, split);
    upper = next;
    upper_split = next_split;
  }
}

std::int64_t BlockPool::to_spare(const Partition& partition) const {
  return std::clamp<std::int64_t>(partition.held + partition.cached - partition.limit.guarantee, 0,
                                  partition.cached);
}

std::int64_t BlockPool::free_blocks(std::size_t own) const {
  std::int64_t blocks = blank_ + partitions_[own].cached;
  for (std::size_t p = 0; p < partitions_.size(); ++p) {
    if (p != own) blocks += to_spare(partitions_[p]);
  }
  return blocks;
}

// What was released longest ago goes first, of the partition's own blocks and of those that others
// can spare.
void BlockPool::evict(std::int64_t count, std::size_t own, TimePoint now) {
  while (count > 0) {
    Partition* giver = nullptr;
    std::int64_t most = 0;
    for (std::size_t p = 0; p < partitions_.size(); ++p) {
      Partition& partition = partitions_[p];
      const std::int64_t spare = p == own ? partition.cached : to_spare(partition);
      if (spare == 0 || (giver != nullptr &&
                         copies_[partition.oldest].released > copies_[giver->oldest].released)) {
        continue;
      }
      giver = &partition;
      most = spare;
    }
    SCSIM_CHECK(giver != nullptr);
    if (partitions_.size() > 1) most = std::min(most, length(nodes_[copies_[giver->oldest].node]));
    most = std::min(most, count);
    evict_from(*giver, most, now);
    count -= most;
  }
}

std::int64_t BlockPool::lose_all(TimePoint now) {
  SCSIM_CHECK_EQ(used_blocks(), 0);
  const std::int64_t lost = cached_;
  for (Partition& partition : partitions_)
    evict_from(partition, partition.cached, now, BlockEnd::kLost);
  blank_ += lost;
  SCSIM_CHECK_EQ(cached_, 0);
  return lost;
}

// A partition above its quota loses its own.
void BlockPool::keep_quota(Partition& partition, TimePoint now) {
  if (&partition == &partitions_[0]) return;
  const std::int64_t excess = partition.held + partition.cached - partition.limit.quota;
  if (excess <= 0) return;
  const std::int64_t gone = std::min(excess, partition.cached);
  evict_from(partition, gone, now);
  blank_ += gone;
  SCSIM_CHECK_LE(partition.held + partition.cached, partition.limit.quota);  // INV-ISOLATE
}

void BlockPool::evict_from(Partition& partition, std::int64_t count, TimePoint now, BlockEnd why) {
  cached_ -= count;
  partition.cached -= count;
  if (why == BlockEnd::kEvicted) evicted_ += count;
  while (count > 0) {
    const std::int32_t id = partition.oldest;
    SCSIM_CHECK_NE(id, kNone);
    const std::int32_t node_id = copies_[id].node;
    const bool only = nodes_[node_id].first_copy == id && copies_[id].next_copy == kNone;
    const std::int64_t gone = std::min(count, length(nodes_[node_id]));
    const std::int64_t cut = nodes_[node_id].end - gone;
    if (!only && gone < length(nodes_[node_id])) split(node_id, cut);  // id keeps the part below
    Copy& copy = copies_[id];
    Node& node = nodes_[node_id];
    record_end(copy, cut, node.end, why, now);
    if (only && listener_ != nullptr && why == BlockEnd::kEvicted)
      listener_->evicted(node.path, cut, node.end, now);
    count -= gone;
    if (only && gone < length(node)) {
      SCSIM_CHECK_EQ(node.children, 0);  // INV-PREFIX
      node.end = cut;
      copy.answer_begin = std::min(copy.answer_begin, cut);
      return;
    }
    unlink(id);
    if (only) {
      remove_node(node_id);
    } else {
      std::int32_t* link = &node.first_copy;
      while (*link != id) link = &copies_[*link].next_copy;
      *link = copy.next_copy;
    }
    copies_[id] = Copy{};
    unused_copies_.push_back(id);
  }
}

void BlockPool::record_lives(std::int64_t blocks, TimePoint since, BlockEnd why, TimePoint now) {
  if (blocks > 0) lifetimes_.add(blocks, now - since, why);
}

void BlockPool::record_end(const Copy& copy, std::int64_t from, std::int64_t to, BlockEnd why,
                           TimePoint now) {
  const std::int64_t middle = std::clamp(copy.answer_begin, from, to);
  record_lives(middle - from, copy.computed, why, now);
  record_lives(to - middle, copy.answered, why, now);
}

// ---- what requests do ----

void BlockPool::find(PathId path, std::int64_t max_blocks, TimePoint now, Match& match) {
  match.clear();
  std::int32_t at = kRoot;
  std::int32_t piece = 0;
  settle_growers(kRoot, path, 0, now);
  while (match.blocks < max_blocks) {
    std::int64_t agree = 0;
    const std::int32_t next = child(at, path, piece, match.blocks, max_blocks, agree);
    if (next == kNone) return;
    if (nodes_[next].growers != kNone && match.blocks + agree == nodes_[next].end) {
      settle_growers(next, path, nodes_[next].end, now);
      agree = agreement(next, path, piece, match.blocks, max_blocks);  // it may have grown in place
    }
    const Node& node = nodes_[next];
    match.pieces.push_back({next, agree});
    if (copies_[node.first_copy].holders == 0) match.free_blocks += agree;
    if (copies_[node.first_copy].lossy) match.lossy_blocks += agree;
    match.blocks += agree;
    if (match.blocks < node.end) return;
    at = next;
    piece = paths_.piece_at(path, match.blocks * options_.block_tokens - 1, piece);
  }
}

std::int64_t BlockPool::peek(PathId path, std::int64_t max_blocks) const {
  std::int64_t blocks = 0;
  std::int32_t at = kRoot, piece = 0;
  while (blocks < max_blocks) {
    std::int64_t agree = 0;
    const std::int32_t next = child(at, path, piece, blocks, max_blocks, agree);
    if (next == kNone) break;
    blocks += agree;
    if (blocks < nodes_[next].end) break;
    at = next;
    piece = paths_.piece_at(path, blocks * options_.block_tokens - 1, piece);
  }
  return blocks;
}

ChainId BlockPool::open_chain(PathId path, std::size_t partition) {
  ChainId id;
  if (unused_chains_.empty()) {
    id = static_cast<ChainId>(chains_.size());
    chains_.emplace_back();
  } else {
    id = unused_chains_.back();
    unused_chains_.pop_back();
  }
  Chain& chain = chains_[id];
  chain.path = path;
  chain.partition = static_cast<std::int16_t>(partition);
  SCSIM_CHECK(chain.holds.empty());
  return id;
}

void BlockPool::close_chain(ChainId id) {
  Chain& chain = chains_[id];
  SCSIM_CHECK(chain.holds.empty() && !chain.growing);
  paths_.drop_reference(chain.path);
  chain.path = kNoPath;
  unused_chains_.push_back(id);
}

void BlockPool::hold(ChainId id, const Match& match, TimePoint now) {
  Chain& chain = chains_[id];
  chain.since = now;
  SCSIM_CHECK(chain.holds.empty() && chain.registered == 0);
  for (const Match::Piece& piece : match.pieces) {
    std::int32_t node = piece.node;
    if (piece.blocks < length(nodes_[node])) node = split(node, nodes_[node].begin + piece.blocks);
    const std::int32_t copy = nodes_[node].first_copy;
    acquire(copy);
    chain.holds.push_back({copy, splits_});
    chain.tail = node;
  }
  chain.registered = match.blocks;
  partitions_[static_cast<std::size_t>(chain.partition)].held += match.blocks;
}

void BlockPool::take(std::int64_t count, TimePoint now, std::size_t own) {
  SCSIM_CHECK_LE(count, free_blocks());
  partitions_[own].held += count;
  keep_quota(partitions_[own], now);
  const std::int64_t blank = std::min(count, blank_);
  blank_ -= blank;
  if (count > blank) evict(count - blank, own, now);
  unregistered_ += count;
}

void BlockPool::register_blocks(ChainId id, std::int64_t to, TimePoint now, bool lossy) {
  const bool growing = chains_[id].growing;
  while (chains_[id].registered < to) {
    // Growers that go the same way settle in their order, eagerly; the others do not matter to each
    // other.
    if (!growing && nodes_[chains_[id].tail].growers != kNone) {
      settle_growers(chains_[id].tail, chains_[id].path, chains_[id].registered, now, id);
    }
    Chain& chain = chains_[id];
    const std::int32_t tail = chain.tail;
    if (grows_in_place(chain, lossy)) {
      Node& node = nodes_[tail];
      Copy& copy = copies_[node.first_copy];
      if (growing) {
        copy.answer_begin = std::min(copy.answer_begin, node.end);
        copy.answered = now;
      } else {
        copy.answer_begin = to;
        copy.computed = now;
      }
      unregistered_ -= to - chain.registered;
      held_ += to - chain.registered;
      node.end = chain.registered = to;
      return;
    }
    const std::int32_t piece = nodes_[tail].path == chain.path ? nodes_[tail].piece : 0;
    std::int64_t agree = 0;
    std::int32_t node = child(tail, chain.path, piece, chain.registered, to, agree);
    if (node == kNone) {
      agree = to - chain.registered;
      node = new_node(tail, chain.path, piece, chain.registered, to);
      chain.holds.push_back({add_copy(node, now, growing, lossy, chain.partition), splits_});
      held_ += agree;
    } else {
      if (agree < length(nodes_[node])) node = split(node, chain.registered + agree);
      if (options_.share_duplicates) {
        acquire(nodes_[node].first_copy);
        chain.holds.push_back({nodes_[node].first_copy, splits_});
        blank_ += agree;
      } else {
        chain.holds.push_back({add_copy(node, now, growing, lossy, chain.partition), splits_});
        held_ += agree;
      }
    }
    unregistered_ -= agree;
    chain.registered += agree;
    if (growing) leave_growers(id);
    chain.tail = node;
    if (growing) join_growers(id, now);
  }
}

bool BlockPool::grows_in_place(const Chain& chain, bool lossy) const {
  const Node& tail = nodes_[chain.tail];
  if (chain.tail == kRoot || tail.path != chain.path || tail.children != 0) return false;
  const Copy& copy = copies_[tail.first_copy];
  return copy.holders == 1 && copy.next_copy == kNone && copy.lossy == lossy;
}

void BlockPool::release(ChainId id, std::int64_t total, TimePoint now) {
  if (chains_[id].growing) stop_growing(id, now);
  Chain& chain = chains_[id];
  const std::int64_t unregistered = total - chain.registered;
  SCSIM_CHECK_GE(unregistered, 0);
  record_lives(unregistered, chain.since, BlockEnd::kNeverCached, now);
  unregistered_ -= unregistered;
  blank_ += unregistered;
  for (std::size_t i = chain.holds.size(); i-- > 0;) {
    release_copy(chain.holds[i].copy, chain.holds[i].split);
  }
  Partition& partition = partitions_[static_cast<std::size_t>(chain.partition)];
  partition.held -= total;
  keep_quota(partition, now);
  chain.holds.clear();
  chain.registered = 0;
  chain.tail = kRoot;
  SCSIM_CHECK_EQ(blank_ + cached_ + held_ + unregistered_, options_.num_blocks);  // INV-CONSERVE
}

// ---- the end ----

void BlockPool::end_of_run(TimePoint now) {
  for (const Copy& copy : copies_) {
    if (copy.node == kNone) continue;
    const Node& node = nodes_[copy.node];
    record_end(copy, node.begin, node.end, BlockEnd::kResident, now);
  }
}

void BlockPool::check_everything() const {
  std::int64_t cached = 0, held = 0;
  for (std::size_t id = 1; id < nodes_.size(); ++id) {
    const Node& node = nodes_[id];
    if (node.parent == kNone) continue;
    SCSIM_CHECK_LT(node.begin, node.end);
    if (node.parent != kRoot) SCSIM_CHECK_EQ(nodes_[node.parent].end, node.begin);
    SCSIM_CHECK_NE(node.first_copy, kNone);
    for (std::int32_t c = node.first_copy; c != kNone; c = copies_[c].next_copy) {
      (copies_[c].holders == 0 ? cached : held) += length(node);
    }
  }
  SCSIM_CHECK_EQ(cached, cached_);
  SCSIM_CHECK_EQ(held, held_);
  std::int64_t listed = 0;
  for (const Partition& partition : partitions_) {
    std::int64_t of_partition = 0;
    for (std::int32_t c = partition.oldest; c != kNone; c = copies_[c].newer)
      of_partition += length(nodes_[copies_[c].node]);
    SCSIM_CHECK_EQ(of_partition, partition.cached);
    listed += of_partition;
  }
  SCSIM_CHECK_EQ(listed, cached_);
  SCSIM_CHECK_EQ(blank_ + cached_ + held_ + unregistered_, options_.num_blocks);
}

}  // namespace scsim::sim
