// Greedy dual by what a block saves: its worth is H = L + seconds to compute it again per byte, set
// at each use, and the least worth goes, of equals the one used longest ago; L rises to the worth
// of what goes.
//
// Deeper blocks cost more, since they attend to all before them. So within a run the last block is
// worth most, and as it leaves first it is the run's worth: a prompt is held as long as its end is.
// Once that has gone, L has risen to it, and what stood before it, used no later, is worth less
// than all other blocks: the whole run follows, and so does every run above it that nobody else
// stands on and that was not used later. REQUIRES of the cost: that it never decreases with depth.
#include <algorithm>
#include <utility>

#include "sim/store/keyed_eviction.h"

namespace scsim::sim {
namespace {

class CostAware final : public KeyedEviction<std::pair<double, std::uint64_t>> {
 public:
  explicit CostAware(Residents& residents) : KeyedEviction(residents) {}

  void used(CopyId copy) override { value(copy, floor_); }
  void added(CopyId copy) override { value(copy, floor_); }
  void split(CopyId upper, CopyId lower) override {
    KeyedEviction::split(upper, lower);
    value(upper, floors_[index(lower)]);
  }
  void removed(CopyId copy, bool remember) override {
    KeyedEviction::removed(copy, remember);
    has_gone(copy);
  }
  void shortened(CopyId copy, std::int64_t) override {
    has_gone(copy);
    value(copy, floors_[index(copy)]);
  }
  CopyId victim() override { return chosen_ = KeyedEviction::victim(); }

 private:
  static std::size_t index(CopyId copy) { return static_cast<std::size_t>(copy); }
  void value(CopyId copy, double floor) {
    if (index(copy) >= floors_.size()) floors_.resize(index(copy) + index(copy) / 2 + 1);
    floors_[index(copy)] = floor;
    const Resident& resident = residents_[copy];
    const double cost =
        residents_.recompute_seconds(copy) / static_cast<double>(resident.block_bytes);
    set_key(copy, {floor + cost, resident.last_number});
  }
  void has_gone(CopyId copy) {
    if (copy != chosen_) return;  // it did not go for want of room
    floor_ = std::max(floor_, key(copy).first);
    chosen_ = kNoCopy;
  }

  double floor_ = 0;            // L
  std::vector<double> floors_;  // as it was at the last use
  CopyId chosen_ = kNoCopy;
};

}  // namespace

EvictionEntry cost_aware_policy() {
  return {{"cost_aware",
           "what is cheapest to compute again for its bytes goes first, as it ages",
           "Young, The k-server dual and loose competitiveness for paging, Algorithmica 1994 "
           "(GreedyDual); Cao and Irani, USITS 1997",
           {}},
          false,
          [](const PolicyParameters&, Residents& residents) {
            return std::make_unique<CostAware>(residents);
          }};
}

}  // namespace scsim::sim
