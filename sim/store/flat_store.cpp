#include "sim/store/flat_store.h"

#include "sim/store/known_path.h"

namespace scsim::sim {

using State = Resident::State;

const std::vector<BlockNumbers::Range>& BlockNumbers::number(PathId path, std::int64_t tokens) {
  tree_.walk(path, tokens, keeping_.tail, pieces_);
  make_known(
      tree_, path, tokens, keeping_.tail, pieces_,
      [&](RunId upper, RunId lower) {
        tree_[upper].payload = tree_[lower].payload;
        tree_[lower].payload += tree_[upper].blocks();
      },
      [&](RunId run) {
        tree_[run].payload = next_;
        next_ += tree_[run].blocks();
      });
  ranges_.clear();
  for (const Tree::Piece& piece : pieces_)
    ranges_.push_back({tree_[piece.run].payload, piece.blocks});
  return ranges_;
}

std::int64_t BlockNumbers::tail(PathId path, std::int64_t tokens) {
  tree_.walk(path, tokens, true, pieces_);
  if (pieces_.empty()) return -1;
  const Tree::Run& last = tree_[pieces_.back().run];
  return last.tail_tokens > 0 ? last.payload : -1;
}

FlatStore::FlatStore(const CacheKeeping& keeping, std::int64_t capacity, const Eviction& eviction,
                     std::function<double(std::int64_t from, std::int64_t tokens)> recompute,
                     TokenPaths& paths)
    : keeping_(keeping), numbers_(keeping, paths) {
  capacity_ = capacity;
  recompute_ = std::move(recompute);
  if (!recompute_) {
    recompute_ = [](std::int64_t, std::int64_t tokens) { return static_cast<double>(tokens); };
  }
  block_tokens_ = keeping.block_tokens;
  policy_ = eviction.make(*this);
}

CopyId FlatStore::cut(CopyId copy, std::int64_t blocks) {
  SCSIM_CHECK_LT(blocks, (*this)[copy].blocks);
  return kNoCopy;
}

CacheHits FlatStore::serve(const CacheRequest& request, const NextUses* future) {
  expire(request.use.now);
  const std::int64_t prompt = request.prompt_tokens;
  std::span<const KvStore::NextUse> next;
  if (future != nullptr) next = future->of(request.use.number);
  const bool peek = request.kept_tokens != prompt && keeping_.tail && prompt % block_tokens_ != 0;
  const std::int64_t judged = keeping_.blocks(prompt) - (peek ? 1 : 0);

  CacheHits hits;
  Access each{0, 0, request.use, kNeverUsed};
  std::size_t span = 0;
  for (const BlockNumbers::Range& range : numbers_.number(request.path, request.kept_tokens)) {
    for (std::int64_t i = 0; i < range.count; ++i, ++each.depth) {
      each.block = range.first + i;
      each.use.number = accesses_++;
      if (future != nullptr) {
        while (next[span].end <= each.depth) ++span;
        // The request after next asks for it at the same depth.
        const std::uint64_t number = next[span].number;
        each.next_use =
            number == kNeverUsed
                ? kNeverUsed
                : static_cast<std::uint64_t>(future->blocks_before(number) + each.depth);
      }
      if (!access(each) || each.depth >= judged) continue;
      ++hits.blocks;
      hits.tokens += std::min(block_tokens_, prompt - each.depth * block_tokens_);
    }
  }
  if (peek) {  // the answer has taken the partly filled block's place; is it there from before?
    const std::int64_t block = numbers_.tail(request.path, prompt);
    const CopyId copy = block < 0 ? kNoCopy : copy_of(block);
    if (copy != kNoCopy && (*this)[copy].state == State::kCached) {
      ++hits.blocks;
      hits.tokens += prompt % block_tokens_;
    }
  }
  return hits;
}

CopyId& FlatStore::copy_of(std::int64_t block) {
  const auto index = static_cast<std::size_t>(block);
  if (index >= copies_.size()) copies_.resize(index + index / 2 + 1, kNoCopy);
  return copies_[index];
}

void FlatStore::touch(CopyId copy, const Use& use) {
  Resident& resident = slots_[static_cast<std::size_t>(copy)];
  ++resident.uses;
  resident.last_tenant = use.tenant;
  resident.last_use = use.now;
  resident.last_number = use.number;
}

bool FlatStore::access(const Access& access) {
  CopyId copy = copy_of(access.block);
  policy_->request(access.use);
  const bool timed = policy_->ttl() > Duration{};
  if (copy != kNoCopy && (*this)[copy].state == State::kCached) {
    touch(copy, access.use);
    slots_[static_cast<std::size_t>(copy)].next_use = access.next_use;
    if (timed) recency_.move_to_back(copy);
    policy_->used(copy);
    policy_->refreshed(copy);
    return true;
  }
  if (copy != kNoCopy) policy_->remembered(copy);
  const auto make_room_for = [&](std::int64_t wanted) {
    while (used_ + wanted > capacity_) {
      const CopyId victim = policy_->victim();
      SCSIM_CHECK_NE(victim, kNoCopy);  // nothing is pinned
      evict(victim, policy_->remembers(victim));
    }
  };
  if (policy_->spares_request()) make_room_for(1);

  copy = copy_of(access.block);  // it may have been forgotten meanwhile
  if (copy == kNoCopy) {
    if (unused_.empty()) {
      copy = static_cast<CopyId>(slots_.size());
      slots_.emplace_back();
      blocks_.push_back(0);
    } else {
      copy = unused_.back();
      unused_.pop_back();
    }
    copy_of(access.block) = copy;
    blocks_[static_cast<std::size_t>(copy)] = access.block;
  }
  Resident& resident = slots_[static_cast<std::size_t>(copy)];
  const bool ghost = resident.state == State::kGhost;
  resident = Resident{};
  resident.begin = access.depth;
  resident.blocks = resident.block_bytes = 1;
  resident.stored = access.use.now;
  resident.tenant = access.use.tenant;
  resident.next_use = access.next_use;
  resident.pins = 1;  // until the policy has heard of it
  resident.state = ghost ? State::kGhost : State::kCached;
  touch(copy, access.use);
  ++used_;
  if (timed) recency_.push_back(copy);
  policy_->added(copy);
  resident.state = State::kCached;
  resident.pins = 0;
  policy_->evictable(copy, true);
  make_room_for(0);
  forget_ghosts();
  return false;
}

void FlatStore::evict(CopyId copy, bool remember) {
  policy_->removed(copy, remember);
  if (policy_->ttl() > Duration{}) recency_.erase(copy);
  --used_;
  if (remember) {
    slots_[static_cast<std::size_t>(copy)].state = State::kGhost;
    forget_ghosts();
    return;
  }
  slots_[static_cast<std::size_t>(copy)].state = State::kFree;
  copy_of(blocks_[static_cast<std::size_t>(copy)]) = kNoCopy;
  unused_.push_back(copy);
}

void FlatStore::forget_ghosts() {
  for (CopyId ghost = policy_->forgotten(); ghost != kNoCopy; ghost = policy_->forgotten()) {
    slots_[static_cast<std::size_t>(ghost)].state = State::kFree;
    copy_of(blocks_[static_cast<std::size_t>(ghost)]) = kNoCopy;
    unused_.push_back(ghost);
  }
}

void FlatStore::expire(TimePoint now) {
  const Duration ttl = policy_->ttl();
  if (ttl <= Duration{}) return;
  for (CopyId copy = recency_.front(); copy != kNoCopy; copy = recency_.front()) {
    if ((*this)[copy].last_use + ttl > now) return;
    evict(copy, false);
  }
}

}  // namespace scsim::sim
