// LRU-K: the block whose k-th last use is longest ago goes first; before all, those with fewer than
// k uses, of which the one used longest ago. A use is a request, the one that stored the block is
// the first. Unlike in the paper nothing is remembered of what has left, and no uses count as one
// for being close together: requests are as far apart as they are.
#include <algorithm>
#include <utility>

#include "sim/store/keyed_eviction.h"

namespace scsim::sim {
namespace {

class LruK final : public KeyedEviction<std::pair<std::uint64_t, std::uint64_t>> {
 public:
  LruK(std::size_t k, Residents& residents) : KeyedEviction(residents), k_(k) {}

  void used(CopyId copy) override { count(copy); }
  void added(CopyId copy) override {
    uses_of(copy).clear();
    count(copy);
  }
  void split(CopyId upper, CopyId lower) override {
    KeyedEviction::split(upper, lower);
    const std::vector<std::uint64_t> uses = uses_of(lower);
    uses_of(upper) = uses;
  }

 private:
  std::vector<std::uint64_t>& uses_of(CopyId copy) {
    const auto i = static_cast<std::size_t>(copy);
    if (i >= uses_.size()) uses_.resize(i + i / 2 + 1);
    return uses_[i];
  }
  void count(CopyId copy) {
    std::vector<std::uint64_t>& uses = uses_of(copy);
    if (uses.size() == k_) uses.erase(uses.begin());
    uses.push_back(residents_[copy].last_number);
    set_key(copy, {uses.size() == k_ ? uses.front() + 1 : 0, uses.back()});
  }

  std::size_t k_;
  std::vector<std::vector<std::uint64_t>> uses_;  // the last k, oldest first
};

}  // namespace

EvictionEntry lru_k_policy() {
  return {{"lru_k",
           "the k-th last use counts: what was used fewer times goes before all else",
           "O'Neil, O'Neil and Weikum, The LRU-K page replacement algorithm, SIGMOD 1993",
           {{"k", 2, 1, 16, "which of the last uses counts; 1 is lru"}}},
          false,
          [](const PolicyParameters& parameters, Residents& residents) {
            return std::make_unique<LruK>(static_cast<std::size_t>(parameters.at("k")), residents);
          }};
}

}  // namespace scsim::sim
