// Byte-pair merging: the pair of neighbours with the lowest rank becomes one symbol, the leftmost
// of equals first, until no pair has a rank.
//
// Short words scan for the least; long ones keep a heap over a linked list, so a word of n symbols
// costs n log n whatever it is made of.
#pragma once

#include <cstdint>
#include <vector>

namespace scsim::exec {

class Merges {
 public:
  static constexpr std::uint32_t kNoRank = ~0u;
  struct Merge {
    std::uint32_t rank = kNoRank;
    std::int32_t id = -1;  // the symbol that the pair becomes
  };

  void reserve(std::size_t pairs);
  // Of two merges of one pair the last holds. REQUIRES: ids >= 0.
  void add(std::int32_t left, std::int32_t right, Merge merge);
  Merge find(std::int32_t left, std::int32_t right) const {  // rank kNoRank: there is none
    const std::uint64_t key = key_of(left, right);
    for (std::size_t at = slot_of(key);; at = (at + 1) & mask_) {
      if (slots_[at].key == key) return slots_[at].merge;
      if (slots_[at].key == kEmpty) return {};
    }
  }
  std::size_t size() const { return size_; }

  void apply(std::vector<std::int32_t>& symbols) const;

 private:
  static constexpr std::uint64_t kEmpty = ~std::uint64_t{0};
  struct Slot {
    std::uint64_t key = kEmpty;
    Merge merge;
  };
  static std::uint64_t key_of(std::int32_t left, std::int32_t right) {
    return static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 |
           static_cast<std::uint32_t>(right);
  }
  std::size_t slot_of(std::uint64_t key) const {
    const std::uint64_t hash = (key ^ key >> 29) * 0x9E3779B97F4A7C15u;
    return (hash ^ hash >> 32) & mask_;
  }
  void grow(std::size_t slots);
  void apply_short(std::vector<std::int32_t>& symbols) const;
  void apply_long(std::vector<std::int32_t>& symbols) const;

  std::vector<Slot> slots_ = std::vector<Slot>(2);  // open addressing, at most half full
  std::size_t mask_ = 1;
  std::size_t size_ = 0;
};

}  // namespace scsim::exec
