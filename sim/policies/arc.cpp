// ARC: what was used once and what was used again are two LRU lists, each with ghosts of what left
// it; a request for a ghost shows which of the two is too small, and moves the bytes that are meant
// for the first.
//
// Here a request is one access: the blocks it asks for among the ghosts of both lists move the
// target together, by as much as each alone would with the lists as they were before. Then room is
// made, block by block: the first list gives while it has more than the target, and where the other
// has nothing that may go. (The paper lets the first give at equality too, for a ghost of the
// second: with several blocks at once there is no such case to tell apart.) What is new has entered
// when ghosts are forgotten: the oldest of the first list's, until it and its ghosts are no more
// than the capacity; then of the second's, until all together are no more than twice the capacity.
#include <algorithm>
#include <array>
#include <cmath>

#include "sim/store/copy_heap.h"
#include "sim/store/ghost_queue.h"

namespace scsim::sim {
namespace {

class Arc final : public EvictionPolicy {
 public:
  explicit Arc(Residents& residents)
      : residents_(residents), ghosts_{GhostQueue(residents), GhostQueue(residents)} {}

  void request(const Use&) override { adapt(); }
  void used(CopyId copy) override {
    Place& place = places_[index(copy)];
    bytes_[place.list] -= residents_[copy].bytes();
    bytes_[kAgain] += residents_[copy].bytes();
    move(copy, kAgain);
  }
  void remembered(CopyId copy) override {
    asked_[places_[index(copy)].list] += residents_[copy].bytes();
  }
  void added(CopyId copy) override {
    adapt();
    make_place(copy);
    Place& place = places_[index(copy)];
    const bool was_ghost = residents_[copy].state == Resident::State::kGhost;
    if (was_ghost) ghosts_[place.list].erase(copy);
    place = {was_ghost ? kAgain : kOnce, next_++};
    bytes_[place.list] += residents_[copy].bytes();
  }
  void refreshed(CopyId copy) override { move(copy, places_[index(copy)].list); }
  void split(CopyId upper, CopyId lower) override {
    make_place(upper);
    places_[index(upper)] = places_[index(lower)];
    if (residents_[lower].state == Resident::State::kGhost)
      ghosts_[places_[index(lower)].list].split(upper, lower);
  }
  void evictable(CopyId copy, bool may_go) override {
    const Place& place = places_[index(copy)];
    if (may_go) {
      may_go_[place.list].push(copy, place.order);
    } else {
      may_go_[place.list].erase(copy);
    }
  }
  void removed(CopyId copy, bool remember) override {
    const List list = places_[index(copy)].list;
    if (may_go_[list].contains(copy)) may_go_[list].erase(copy);
    bytes_[list] -= residents_[copy].bytes();
    if (remember) ghosts_[list].push_back(copy);
  }

  CopyId victim() override {
    adapt();
    const CopyId once = may_go_[kOnce].front();
    const CopyId again = may_go_[kAgain].front();
    const double excess = static_cast<double>(bytes_[kOnce]) - target_;
    at_most_ = std::numeric_limits<std::int64_t>::max();
    if (again == kNoCopy) return once;
    if (once == kNoCopy || excess <= 0) return again;
    at_most_ = static_cast<std::int64_t>(
        std::ceil(excess / static_cast<double>(residents_[once].block_bytes)));
    return once;
  }
  std::int64_t at_most() const override { return at_most_; }

  bool remembers(CopyId) override { return true; }
  CopyId forgotten() override {
    const std::int64_t capacity = residents_.capacity();
    const CopyId ghost = ghosts_[kOnce].take_beyond(capacity - bytes_[kOnce]);
    if (ghost != kNoCopy) return ghost;
    return ghosts_[kAgain].take_beyond(2 * capacity - bytes_[kOnce] - bytes_[kAgain] -
                                       ghosts_[kOnce].bytes());
  }
  void forget(CopyId copy) override { ghosts_[places_[index(copy)].list].erase(copy); }

 private:
  enum List : std::uint8_t { kOnce, kAgain };
  struct Place {
    List list = kOnce;        // or whose ghost it is
    std::uint64_t order = 0;  // in the list
  };
  static std::size_t index(CopyId copy) { return static_cast<std::size_t>(copy); }
  void make_place(CopyId copy) {
    if (index(copy) >= places_.size()) places_.resize(index(copy) + index(copy) / 2 + 1);
  }
  void move(CopyId copy, List list) {
    Place& place = places_[index(copy)];
    const bool may_go = may_go_[place.list].contains(copy);
    if (may_go) may_go_[place.list].erase(copy);
    place = {list, next_++};
    if (may_go) may_go_[list].push(copy, place.order);
  }
  void adapt() {
    if (asked_[kOnce] == 0 && asked_[kAgain] == 0) return;
    const auto once = static_cast<double>(ghosts_[kOnce].bytes());
    const auto again = static_cast<double>(ghosts_[kAgain].bytes());
    if (asked_[kOnce] > 0)
      target_ += static_cast<double>(asked_[kOnce]) * std::max(1.0, again / once);
    if (asked_[kAgain] > 0)
      target_ -= static_cast<double>(asked_[kAgain]) * std::max(1.0, once / again);
    target_ = std::clamp(target_, 0.0, static_cast<double>(residents_.capacity()));
    asked_ = {};
  }

  Residents& residents_;
  std::array<CopyHeap<std::uint64_t>, 2> may_go_;  // least recently used in front
  std::array<std::int64_t, 2> bytes_{};
  std::array<GhostQueue, 2> ghosts_;
  std::array<std::int64_t, 2> asked_{};  // bytes of ghosts, by the request at hand
  double target_ = 0;                    // bytes of what was used once
  std::vector<Place> places_;
  std::uint64_t next_ = 0;
  std::int64_t at_most_ = 0;
};

}  // namespace

EvictionEntry arc_policy() {
  return {{"arc",
           "balances what was used once against what was used again by what it evicted wrongly",
           "Megiddo and Modha, ARC: a self-tuning, low overhead replacement cache, FAST 2003",
           {}},
          false,
          [](const PolicyParameters&, Residents& residents) {
            return std::make_unique<Arc>(residents);
          }};
}

}  // namespace scsim::sim
