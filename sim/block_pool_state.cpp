// The pool's state as one number: pools of one number give the same answers from then on. Times and
// the numbers of nodes and copies are no part of it.
#include <algorithm>

#include "sim/block_pool.h"
#include "traces/hash.h"

namespace scsim::sim {
namespace {

template <class... Values>
std::uint64_t hash_of(Values... values) {
  std::uint64_t hash = 0;
  ((hash = scramble(hash + 0x9E3779B97F4A7C15u) ^ static_cast<std::uint64_t>(values)), ...);
  return scramble(hash);
}

}  // namespace

std::uint64_t BlockPool::fingerprint() const {
  // A node by the blocks it stands for; a copy by its node and its place among the node's copies.
  std::vector<std::uint64_t> name(copies_.size());
  std::uint64_t sum = hash_of(blank_, cached_, held_, unregistered_);  // in no order
  for (std::size_t id = 1; id < nodes_.size(); ++id) {
    const Node& node = nodes_[id];
    if (node.parent == kNone) continue;
    const Node& parent = nodes_[node.parent];
    std::int64_t place = 0;
    for (std::int32_t c = node.first_copy; c != kNone; c = copies_[c].next_copy) {
      name[c] = hash_of(node.path, node.begin, node.end, parent.path, parent.begin, place++);
      sum += hash_of(name[c], copies_[c].holders, copies_[c].lossy);
    }
  }
  std::vector<std::int32_t> free;  // in the order of release over all partitions
  for (const Partition& partition : partitions_) {
    sum = scramble(sum) + hash_of(partition.held, partition.cached);
    for (std::int32_t c = partition.oldest; c != kNone; c = copies_[c].newer) free.push_back(c);
  }
  std::ranges::stable_sort(free, {}, [&](std::int32_t c) { return copies_[c].released; });
  for (std::size_t age = 0; age < free.size(); ++age) sum += hash_of(name[free[age]], age);
  for (std::size_t id = 0; id < chains_.size(); ++id) {
    const Chain& chain = chains_[id];
    if (chain.path == kNoPath) continue;
    sum += hash_of(id, chain.path, chain.registered, chain.growing);
    for (const Hold& hold : chain.holds) sum += held_by(id, hold.copy, hold.split, name);
  }
  return sum;
}

// What the chain would release with the copy.
std::uint64_t BlockPool::held_by(std::size_t chain, std::int32_t id, std::uint32_t split,
                                 const std::vector<std::uint64_t>& name) const {
  std::uint64_t sum = hash_of(chain, name[id]);
  std::int32_t upper = copies_[id].upper;
  std::uint32_t upper_split = copies_[id].upper_split;
  while (upper != kNone && upper_split > split) {
    sum += held_by(chain, upper, split, name);
    upper_split = copies_[upper].next_upper_split;
    upper = copies_[upper].next_upper;
  }
  return sum;
}

}  // namespace scsim::sim
