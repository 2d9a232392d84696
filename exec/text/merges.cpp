#include "exec/text/merges.h"

#include <algorithm>
#include <array>
#include <bit>
#include <queue>
#include <utility>

#include "traces/check.h"

namespace scsim::exec {
namespace {

constexpr std::size_t kShort = 32;

}  // namespace

void Merges::reserve(std::size_t pairs) {
  const std::size_t slots = std::bit_ceil(2 * pairs + 2);
  if (slots > slots_.size()) grow(slots);
}

void Merges::grow(std::size_t slots) {
  std::vector<Slot> old = std::exchange(slots_, std::vector<Slot>(slots));
  mask_ = slots - 1;
  for (const Slot& slot : old) {
    if (slot.key == kEmpty) continue;
    std::size_t at = slot_of(slot.key);
    while (slots_[at].key != kEmpty) at = (at + 1) & mask_;
    slots_[at] = slot;
  }
}

void Merges::add(std::int32_t left, std::int32_t right, Merge merge) {
  SCSIM_CHECK(left >= 0 && right >= 0);
  if (2 * (size_ + 1) > slots_.size()) grow(2 * slots_.size());
  const std::uint64_t key = key_of(left, right);
  std::size_t at = slot_of(key);
  while (slots_[at].key != kEmpty && slots_[at].key != key) at = (at + 1) & mask_;
  size_ += slots_[at].key == kEmpty ? 1 : 0;
  slots_[at] = {key, merge};
}

void Merges::apply(std::vector<std::int32_t>& symbols) const {
  if (symbols.size() < 2) return;
  if (symbols.size() <= kShort) {
    apply_short(symbols);
  } else {
    apply_long(symbols);
  }
}

void Merges::apply_short(std::vector<std::int32_t>& symbols) const {
  std::array<Merge, kShort> merges;  // merges[i]: of symbols i and i + 1
  std::size_t pairs = symbols.size() - 1;
  for (std::size_t i = 0; i < pairs; ++i) merges[i] = find(symbols[i], symbols[i + 1]);
  while (pairs > 0) {
    std::size_t least = 0;
    for (std::size_t i = 1; i < pairs; ++i) {
      if (merges[i].rank < merges[least].rank) least = i;
    }
    if (merges[least].rank == kNoRank) break;
    symbols[least] = merges[least].id;
    std::copy(symbols.begin() + static_cast<std::ptrdiff_t>(least) + 2,
              symbols.begin() + static_cast<std::ptrdiff_t>(pairs) + 1,
              symbols.begin() + static_cast<std::ptrdiff_t>(least) + 1);
    std::copy(merges.begin() + least + 1, merges.begin() + pairs, merges.begin() + least);
    --pairs;
    if (least > 0) merges[least - 1] = find(symbols[least - 1], symbols[least]);
    if (least < pairs) merges[least] = find(symbols[least], symbols[least + 1]);
  }
  symbols.resize(pairs + 1);
}

void Merges::apply_long(std::vector<std::int32_t>& symbols) const {
  struct Candidate {
    std::uint32_t rank;
    std::uint32_t at;  // the left one of the pair
    bool operator>(const Candidate& other) const {
      return std::pair(rank, at) > std::pair(other.rank, other.at);
    }
  };
  constexpr std::uint32_t kNone = ~0u;
  constexpr std::int32_t kGone = -1;
  const auto size = static_cast<std::uint32_t>(symbols.size());
  SCSIM_CHECK_LT(symbols.size(), kNone);
  std::vector<std::uint32_t> next(size), previous(size);
  std::vector<Candidate> found;
  found.reserve(size);
  for (std::uint32_t i = 0; i < size; ++i) {
    previous[i] = i == 0 ? kNone : i - 1;
    next[i] = i + 1 == size ? kNone : i + 1;
    if (i + 1 == size) break;
    const Merge merge = find(symbols[i], symbols[i + 1]);
    if (merge.rank != kNoRank) found.push_back({merge.rank, i});
  }
  std::priority_queue queue(std::greater<>{}, std::move(found));
  const auto offer = [&](std::uint32_t left) {
    if (left == kNone || next[left] == kNone) return;
    const Merge merge = find(symbols[left], symbols[next[left]]);
    if (merge.rank != kNoRank) queue.push({merge.rank, left});
  };
  while (!queue.empty()) {
    const Candidate best = queue.top();
    queue.pop();
    // A candidate is stale when either of its pair has become something else since.
    if (symbols[best.at] == kGone || next[best.at] == kNone) continue;
    const std::uint32_t right = next[best.at];
    const Merge merge = find(symbols[best.at], symbols[right]);
    if (merge.rank != best.rank) continue;
    symbols[best.at] = merge.id;
    symbols[right] = kGone;
    next[best.at] = next[right];
    if (next[right] != kNone) previous[next[right]] = best.at;
    offer(previous[best.at]);
    offer(best.at);
  }
  std::erase(symbols, kGone);
}

}  // namespace scsim::exec
