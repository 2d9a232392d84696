#include "sim/decode_group.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <utility>

#include "traces/check.h"

namespace scsim::sim {
namespace {

template <class Heap, class Moment>
void push(Heap& heap, Moment moment) {
  heap.push_back(moment);
  std::push_heap(heap.begin(), heap.end(), std::greater<>());
}

template <class Heap>
void pop(Heap& heap) {
  std::pop_heap(heap.begin(), heap.end(), std::greater<>());
  heap.pop_back();
}

}  // namespace

DecodeGroup::DecodeGroup(std::int64_t block_tokens, std::vector<std::int64_t> windows)
    : block_tokens_(block_tokens),
      windows_(std::move(windows)),
      by_residue_(static_cast<std::size_t>(block_tokens)) {
  SCSIM_CHECK_LE(windows_.size(), kMaxWindows);
}

void DecodeGroup::count(std::int64_t computed, std::int64_t sign) {
  size_ += sign;
  computed_ += sign * computed;
  // It needs a block at the epochs at which what it has computed fills whole blocks.
  const std::int64_t residue =
      ((epoch_ - computed) % block_tokens_ + block_tokens_) % block_tokens_;
  by_residue_[static_cast<std::size_t>(residue)] += sign;
  for (std::size_t w = 0; w < windows_.size(); ++w) {
    windowed_[w] += sign * std::min(computed + 1, windows_[w]);
    if (computed + 1 < windows_[w]) below_[w] += sign;
  }
}

void DecodeGroup::add(MemberId id, std::int64_t computed, std::int64_t steps,
                      std::uint64_t sequence) {
  SCSIM_CHECK_GE(steps, 1);
  if (static_cast<std::size_t>(id) >= members_.size()) {
    members_.resize(static_cast<std::size_t>(id) + 1);
  }
  Member& member = members_[id];
  member.computed = computed;
  member.joined = epoch_;
  ++member.generation;
  count(computed, 1);
  push(ends_, Moment{epoch_ + steps, sequence, id, member.generation});
  for (std::size_t w = 0; w < windows_.size(); ++w) {
    if (computed + 1 < windows_[w]) {
      push(crossings_[w],
           Moment{epoch_ + windows_[w] - (computed + 1), sequence, id, member.generation});
    }
  }
}

std::int64_t DecodeGroup::remove(MemberId id) {
  const std::int64_t now = computed(id);
  count(now, -1);
  ++members_[id].generation;
  return now;
}

void DecodeGroup::clear() {
  for (const Moment& moment : ends_) ++members_[moment.member].generation;
  ends_.clear();
  for (Heap& heap : crossings_) heap.clear();
  size_ = computed_ = 0;
  windowed_ = below_ = {};
  std::fill(by_residue_.begin(), by_residue_.end(), 0);
}

std::int64_t DecodeGroup::blocks_needed(std::int64_t steps) const {
  std::int64_t blocks = steps / block_tokens_ * size_;
  for (std::int64_t step = steps / block_tokens_ * block_tokens_; step < steps; ++step) {
    blocks += by_residue_[static_cast<std::size_t>((epoch_ + step) % block_tokens_)];
  }
  return blocks;
}

std::int64_t DecodeGroup::steps_within(std::int64_t blocks, std::int64_t most) const {
  if ((most + block_tokens_ - 1) / block_tokens_ * size_ <= blocks) return most;  // the usual case
  std::int64_t steps = blocks / size_ * block_tokens_;
  std::int64_t left = blocks % size_;
  while (steps < most) {
    left -= by_residue_[static_cast<std::size_t>((epoch_ + steps) % block_tokens_)];
    if (left < 0) break;
    ++steps;
  }
  return std::min(steps, most);
}

std::int64_t DecodeGroup::steps_to_end() {
  SCSIM_CHECK_GT(size_, 0);
  while (stale(ends_.front())) pop(ends_);
  return ends_.front().epoch - epoch_;
}

std::int64_t DecodeGroup::linear_steps() const {
  std::int64_t steps = std::numeric_limits<std::int64_t>::max();
  for (const Heap& heap : crossings_) {
    if (!heap.empty()) steps = std::min(steps, heap.front().epoch - epoch_);
  }
  return steps;
}

void DecodeGroup::advance(std::int64_t steps) {
  epoch_ += steps;
  computed_ += steps * size_;
  for (std::size_t w = 0; w < windows_.size(); ++w) {
    windowed_[w] += steps * below_[w];
    while (!crossings_[w].empty() && crossings_[w].front().epoch <= epoch_) {
      if (!stale(crossings_[w].front())) {
        SCSIM_CHECK_EQ(crossings_[w].front().epoch, epoch_);
        --below_[w];
      }
      pop(crossings_[w]);
    }
  }
}

void DecodeGroup::ended(std::vector<MemberId>& members) {
  while (!ends_.empty() && ends_.front().epoch <= epoch_) {
    if (!stale(ends_.front())) {
      SCSIM_CHECK_EQ(ends_.front().epoch, epoch_);
      members.push_back(ends_.front().member);
    }
    pop(ends_);
  }
}

}  // namespace scsim::sim
