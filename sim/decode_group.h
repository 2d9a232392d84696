// Requests that decode together: every member computes one token in each step of the group.
//
// Nothing is done per member and step. The group counts its steps in an *epoch*; what a member has
// computed follows from the epoch at which it joined, and what the next steps need (blocks, context
// read, who reaches its end) from sums, from counts of members by the epoch that needs a block, and
// from heaps of the epochs at which something happens to one of them.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace scsim::sim {

class DecodeGroup {
 public:
  using MemberId = std::int32_t;  // small dense numbers of the caller's
  static constexpr std::size_t kMaxWindows = 2;

  DecodeGroup(std::int64_t block_tokens, std::vector<std::int64_t> windows);

  // The member has computed `computed` tokens and computes `steps` (at least 1) more.
  // `sequence` orders members that end at the same epoch.
  void add(MemberId member, std::int64_t computed, std::int64_t steps, std::uint64_t sequence);
  // Gives what it has computed by now.
  std::int64_t remove(MemberId member);
  void clear();

  std::int64_t size() const { return size_; }
  std::int64_t epoch() const { return epoch_; }
  std::int64_t computed(MemberId member) const {
    return members_[member].computed + (epoch_ - members_[member].joined);
  }

  // What the next step reads, the new tokens themselves included; and of it, no more than each
  // window.
  std::int64_t context() const { return computed_ + size_; }
  const std::array<std::int64_t, kMaxWindows>& windowed_context() const { return windowed_; }
  // By how much windowed_context() grows with each step, up to linear_steps().
  const std::array<std::int64_t, kMaxWindows>& windowed_growth() const { return below_; }

  // Blocks that the members need for the next `steps` steps.
  std::int64_t blocks_needed(std::int64_t steps) const;
  // For how many steps, at most `most`, `blocks` suffice.
  std::int64_t steps_within(std::int64_t blocks, std::int64_t most) const;
  // Steps until a member ends. REQUIRES: size() > 0.
  std::int64_t steps_to_end();
  // Steps for which windowed_context() grows evenly.
  std::int64_t linear_steps() const;

  // REQUIRES: steps <= linear_steps() and, if anybody is in it, steps <= steps_to_end().
  void advance(std::int64_t steps);
  // Members whose last step was the one just taken, in the order of their sequence; they stay
  // members.
  void ended(std::vector<MemberId>& members);

 private:
  struct Member {
    std::int64_t computed = 0, joined = 0;
    std::uint32_t generation = 0;  // tells stale heap entries
  };
  struct Moment {
    std::int64_t epoch;
    std::uint64_t sequence;
    MemberId member;
    std::uint32_t generation;
    bool operator>(const Moment& other) const {
      return epoch != other.epoch ? epoch > other.epoch : sequence > other.sequence;
    }
  };
  using Heap = std::vector<Moment>;  // the soonest first

  void count(std::int64_t computed, std::int64_t sign);
  bool stale(const Moment& moment) const {
    return members_[moment.member].generation != moment.generation;
  }

  std::int64_t block_tokens_;
  std::vector<std::int64_t> windows_;
  std::vector<Member> members_;
  std::int64_t epoch_ = 0;
  std::int64_t size_ = 0;
  std::int64_t computed_ = 0;  // sum over members
  std::array<std::int64_t, kMaxWindows> windowed_{};
  std::array<std::int64_t, kMaxWindows> below_{};  // members that read less than the window
  std::vector<std::int64_t> by_residue_;  // members by the epoch, mod block, that needs a block
  Heap ends_;
  std::array<Heap, kMaxWindows> crossings_;  // when a member's context reaches the window
};

}  // namespace scsim::sim
