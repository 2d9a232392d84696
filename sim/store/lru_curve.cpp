#include "sim/store/lru_curve.h"

#include <algorithm>

#include "sim/store/known_path.h"

namespace scsim::sim {
namespace {

constexpr std::size_t kFewestSlots = 1024;

}  // namespace

LruCurve::LruCurve(const CacheKeeping& keeping, TokenPaths& paths)
    : keeping_(keeping),
      tree_(keeping.block_tokens, paths),
      in_slot_(kFewestSlots),
      sums_(kFewestSlots + 1) {}

void LruCurve::serve(const CacheRequest& request) {
  ++requests_;
  total_.blocks += keeping_.blocks(request.prompt_tokens);
  total_.tokens += request.prompt_tokens;
  sorted_ = false;
  tree_.walk(request.path, request.prompt_tokens, keeping_.tail, pieces_);
  judge(request.prompt_tokens);
  if (request.kept_tokens != request.prompt_tokens)
    tree_.walk(request.path, request.kept_tokens, keeping_.tail, pieces_);
  touch(request);
}

void LruCurve::judge(std::int64_t prompt_tokens) {
  std::int64_t place = 0;
  for (std::size_t i = 0; i < pieces_.size();) {
    const Slot slot = tree_[pieces_[i].run].payload;
    std::int64_t blocks = 0;
    bool partly = false;
    for (; i < pieces_.size() && tree_[pieces_[i].run].payload == slot; ++i) {
      blocks += pieces_[i].blocks;
      partly = tree_[pieces_[i].run].tail_tokens > 0;
    }
    const std::int64_t above = blocks_above(slot);
    SCSIM_CHECK_GE(above, place);  // recency never increases with depth
    place = above + blocks;
    ++changes_[above + 1].blocks;
    --changes_[place + 1].blocks;
    if (partly)
      changes_[place].lacking += keeping_.block_tokens - prompt_tokens % keeping_.block_tokens;
  }
}

void LruCurve::touch(const CacheRequest& request) {
  if (next_slot_ == in_slot_.size()) renumber_slots();
  const Slot slot = next_slot_++;
  for (std::size_t i = 0; i < pieces_.size();) {
    const Slot left = tree_[pieces_[i].run].payload;
    std::int64_t taken = 0;
    for (; i < pieces_.size() && tree_[pieces_[i].run].payload == left; ++i)
      taken += pieces_[i].blocks;
    add(left, -taken);
  }
  make_known(
      tree_, request.path, request.kept_tokens, keeping_.tail, pieces_, [](RunId, RunId) {},
      [](RunId) {});
  std::int64_t blocks = 0;
  for (const Tree::Piece& piece : pieces_) {
    tree_[piece.run].payload = slot;
    blocks += piece.blocks;
  }
  add(slot, blocks);
}

void LruCurve::add(Slot slot, std::int64_t blocks) {
  blocks_ += blocks;
  in_slot_[slot] += blocks;
  for (std::size_t i = slot + std::size_t{1}; i < sums_.size(); i += i & (~i + 1))
    sums_[i] += blocks;
}

std::int64_t LruCurve::blocks_above(Slot slot) const {
  std::int64_t up_to = 0;
  for (std::size_t i = slot + std::size_t{1}; i > 0; i &= i - 1) up_to += sums_[i];
  return blocks_ - up_to;
}

// Keeps the slots that hold something, in their order.
void LruCurve::renumber_slots() {
  std::vector<Slot> renumbered(in_slot_.size());
  next_slot_ = 0;
  for (std::size_t slot = 0; slot < in_slot_.size(); ++slot) {
    if (in_slot_[slot] == 0) continue;
    renumbered[slot] = next_slot_;
    in_slot_[next_slot_++] = in_slot_[slot];
  }
  for (RunId run = Tree::kRoot + 1; run < tree_.limit(); ++run)
    tree_[run].payload = renumbered[tree_[run].payload];
  const std::size_t room = std::max(kFewestSlots, 2 * static_cast<std::size_t>(next_slot_));
  std::fill(in_slot_.begin() + next_slot_, in_slot_.end(), 0);
  in_slot_.resize(room);
  sums_.assign(room + 1, 0);
  for (std::size_t i = 1; i <= room; ++i) {
    sums_[i] += in_slot_[i - 1];
    const std::size_t next = i + (i & (~i + 1));
    if (next <= room) sums_[next] += sums_[i];
  }
}

// ---- what was found ----

void LruCurve::sort() const {
  if (sorted_) return;
  sorted_ = true;
  std::vector<std::pair<std::int64_t, Change>> changes(changes_.begin(), changes_.end());
  std::ranges::sort(changes, {}, &std::pair<std::int64_t, Change>::first);
  // Up to `at - 1` each block of capacity found `slope` more.
  std::int64_t slope = 0;
  stretches_.assign(1, {0, 0, 0, 0});
  for (const auto& [place, change] : changes) {
    const Stretch last = stretches_.back();
    slope += change.blocks;
    // At the places before `place` the old slope holds, from it on the new one.
    const Stretch next{place - 1, last.blocks + last.slope * (place - 1 - last.capacity), slope,
                       last.lacking};
    if (next.capacity == last.capacity) {
      stretches_.back() = next;
    } else {
      stretches_.push_back(next);
    }
    if (change.lacking == 0) continue;
    // What lacks, lacks from `place` itself on.
    stretches_.push_back({place, stretches_.back().blocks + slope, slope,
                          stretches_.back().lacking + change.lacking});
  }
}

CacheHits LruCurve::hits(std::int64_t capacity) const {
  sort();
  const auto next = std::ranges::upper_bound(stretches_, capacity, {}, &Stretch::capacity);
  if (next == stretches_.begin()) return {};
  const Stretch& stretch = *std::prev(next);
  const std::int64_t blocks = stretch.blocks + stretch.slope * (capacity - stretch.capacity);
  return {blocks, blocks * keeping_.block_tokens - stretch.lacking};
}

std::vector<std::int64_t> LruCurve::steps() const {
  sort();
  std::vector<std::int64_t> steps;
  for (std::size_t i = 0; i + 1 < stretches_.size(); ++i) {
    if (stretches_[i].slope == 0) continue;
    for (std::int64_t at = stretches_[i].capacity + 1; at <= stretches_[i + 1].capacity; ++at)
      steps.push_back(at);
  }
  return steps;
}

}  // namespace scsim::sim
