// How chains grow while their requests decode: nothing is registered until somebody looks.
//
// Each node knows the chains that end there and grow. Whoever comes by with a path of their own
// lets them register first, as they would have done step by step; and where two of them are about
// to compute the same tokens, they are marked to be settled at every step, because then their order
// matters.
#include "sim/block_pool.h"

namespace scsim::sim {

void BlockPool::join_growers(ChainId id, TimePoint now) {
  Chain& chain = chains_[id];
  if (nodes_[chain.tail].growers != kNone) {  // do they go the same way? Then they are ahead of it
    settle_growers(chain.tail, chain.path, chain.registered, now, id);
    for (ChainId g = nodes_[chain.tail].growers; g != kNone; g = chains_[g].next_grower) {
      if (meets(g, chain.path, chain.registered)) growth_.grow_eagerly(id);
    }
  }
  // A block that is there already will be given back as soon as it is full.
  const std::int64_t next = chain.registered + 1;
  std::int64_t agree = 0;
  if (options_.share_duplicates && paths_.tokens(chain.path) >= next * options_.block_tokens &&
      child(chain.tail, chain.path, 0, chain.registered, next, agree) != kNone) {
    growth_.grow_eagerly(id);
  }
  ChainId& first = nodes_[chain.tail].growers;
  chain.previous_grower = kNone;
  chain.next_grower = first;
  if (first != kNone) chains_[first].previous_grower = id;
  first = id;
}

void BlockPool::leave_growers(ChainId id) {
  Chain& chain = chains_[id];
  if (chain.previous_grower == kNone) {
    nodes_[chain.tail].growers = chain.next_grower;
  } else {
    chains_[chain.previous_grower].next_grower = chain.next_grower;
  }
  if (chain.next_grower != kNone)
    chains_[chain.next_grower].previous_grower = chain.previous_grower;
}

void BlockPool::start_growing(ChainId id, TimePoint now) {
  SCSIM_CHECK(!chains_[id].growing);
  chains_[id].growing = true;
  join_growers(id, now);
}

void BlockPool::stop_growing(ChainId id, TimePoint now) {
  settle(id, now);
  leave_growers(id);
  chains_[id].growing = false;
}

void BlockPool::settle(ChainId id, TimePoint now) {
  const std::int64_t full = growth_.full_blocks(id);
  if (full > chains_[id].registered) register_blocks(id, full, now);
}

bool BlockPool::follows(ChainId id, ChainId other) const {
  return meets(id, chains_[other].path, 0);
}

bool BlockPool::meets(ChainId id, PathId path, std::int64_t agreed) const {
  const Chain& chain = chains_[id];
  const std::int64_t tokens = (chain.registered + 1) * options_.block_tokens;
  if (paths_.tokens(path) < tokens || paths_.tokens(chain.path) < tokens) return false;
  return paths_.agree_until(chain.path, 0, path, 0, agreed * options_.block_tokens, tokens) ==
         tokens;
}

void BlockPool::settle_growers(std::int32_t node, PathId path, std::int64_t depth, TimePoint now,
                               ChainId except) {
  ChainId g = nodes_[node].growers;
  while (g != kNone) {
    const ChainId next = chains_[g].next_grower;  // settling may move g to a node below
    if (g != except) {
      settle(g, now);
      if (meets(g, path, depth)) growth_.grow_eagerly(g);
    }
    g = next;
  }
}

}  // namespace scsim::sim
