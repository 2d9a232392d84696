// S3-FIFO: a small queue through which what is new passes, a main queue for what proved useful, and
// a queue of ghosts: what left the small one is remembered while no more blocks than the main queue
// has room for have left it since.
//
// A block counts the requests that used it since it was stored, up to 3. While the small queue has
// its share it gives: from its front, what was used more than once moves to the main queue, the
// first that was not goes. Otherwise the main queue gives: from its front, what was used counts one
// down and goes to the back, the first that was not used goes. A ghost that comes back enters the
// main queue; if making room for it made it forgotten, the small one, as in the paper.
//
// Whose turn comes in either queue and who cannot go (others stand on it, or it is the request's
// own) goes to the back; the request's own as it is, the others after what their use earned them. A
// queue with nothing that may go leaves it to the other one.
//
// Cost: as clock; a run passes a queue at most three times more for having been used.
#include <algorithm>
#include <array>

#include "sim/store/ghost_queue.h"

namespace scsim::sim {
namespace {

class S3Fifo final : public EvictionPolicy {
 public:
  S3Fifo(double small_share, Residents& residents)
      : residents_(residents),
        small_share_(small_share * static_cast<double>(residents.capacity())),
        ghosts_(residents) {}

  void request(const Use&) override { chosen_ = kNoCopy; }
  void used(CopyId copy) override {
    Place& place = places_[index(copy)];
    if (place.uses < 3) ++place.uses;
  }
  void added(CopyId copy) override {
    chosen_ = kNoCopy;
    const bool was_ghost = residents_[copy].state == Resident::State::kGhost;
    if (was_ghost) ghosts_.erase(copy);
    if (index(copy) >= places_.size()) places_.resize(index(copy) + index(copy) / 2 + 1);
    places_[index(copy)] = {};
    enter(copy, was_ghost ? kMain : kSmall);
  }
  void refreshed(CopyId) override {}
  void split(CopyId upper, CopyId lower) override {
    if (index(upper) >= places_.size()) places_.resize(index(upper) + index(upper) / 2 + 1);
    places_[index(upper)] = places_[index(lower)];
    if (residents_[lower].state == Resident::State::kGhost) {
      ghosts_.split(upper, lower);
    } else {
      queues_[places_[index(lower)].queue].insert_after(upper, lower);
    }
  }
  void evictable(CopyId copy, bool may_go) override {
    chosen_ = kNoCopy;
    may_go_[places_[index(copy)].queue] += may_go ? 1 : -1;
  }
  void removed(CopyId copy, bool remember) override {
    chosen_ = kNoCopy;
    leave(copy);
    if (remember) ghosts_.push_back(copy);
  }
  void shortened(CopyId copy, std::int64_t blocks) override {
    chosen_ = kNoCopy;
    if (places_[index(copy)].queue == kSmall) small_bytes_ -= blocks * residents_[copy].block_bytes;
  }

  CopyId victim() override {
    if (chosen_ != kNoCopy) return chosen_;
    at_most_ = std::numeric_limits<std::int64_t>::max();
    if (small_excess() >= 0 || may_go_[kMain] == 0) {
      chosen_ = small_victim();
      if (chosen_ != kNoCopy && may_go_[kMain] > 0) {  // whose turn it may be after some blocks
        const auto size = static_cast<double>(residents_[chosen_].block_bytes);
        at_most_ = static_cast<std::int64_t>(std::max(small_excess(), 0.0) / size) + 1;
      }
    }
    if (chosen_ == kNoCopy && may_go_[kMain] > 0) chosen_ = main_victim();
    return chosen_;
  }
  std::int64_t at_most() const override { return at_most_; }

  bool remembers(CopyId copy) override { return places_[index(copy)].queue == kSmall; }
  CopyId forgotten() override {
    return ghosts_.take_beyond(
        static_cast<std::int64_t>(static_cast<double>(residents_.capacity()) - small_share_));
  }
  void forget(CopyId copy) override { ghosts_.erase(copy); }

 private:
  enum Queue : std::uint8_t { kSmall, kMain };
  struct Place {
    Queue queue = kSmall;
    std::uint8_t uses = 0;
  };
  static std::size_t index(CopyId copy) { return static_cast<std::size_t>(copy); }

  double small_excess() const { return static_cast<double>(small_bytes_) - small_share_; }
  void enter(CopyId copy, Queue queue) {
    places_[index(copy)].queue = queue;
    queues_[queue].push_back(copy);
    if (queue == kSmall) small_bytes_ += residents_[copy].bytes();
    if (residents_[copy].evictable()) ++may_go_[queue];
  }
  void leave(CopyId copy) {
    const Queue queue = places_[index(copy)].queue;
    queues_[queue].erase(copy);
    if (queue == kSmall) small_bytes_ -= residents_[copy].bytes();
    if (residents_[copy].evictable()) --may_go_[queue];
  }
  CopyId small_victim() {
    CopyQueue& queue = queues_[kSmall];
    for (CopyId copy = queue.front(); copy != kNoCopy; copy = queue.front()) {
      const Resident& resident = residents_[copy];
      if (resident.pins == 0 && places_[index(copy)].uses > 1) {
        leave(copy);
        places_[index(copy)].uses = 0;
        enter(copy, kMain);
      } else if (may_go_[kSmall] == 0) {
        return kNoCopy;
      } else if (resident.evictable()) {
        return copy;
      } else {
        queue.move_to_back(copy);
      }
    }
    return kNoCopy;
  }
  CopyId main_victim() {
    CopyQueue& queue = queues_[kMain];
    for (;;) {
      const CopyId copy = queue.front();
      const Resident& resident = residents_[copy];
      std::uint8_t& uses = places_[index(copy)].uses;
      if (resident.evictable() && uses == 0) return copy;
      if (resident.pins == 0 && uses > 0) --uses;
      queue.move_to_back(copy);
    }
  }

  Residents& residents_;
  double small_share_;  // bytes
  std::array<CopyQueue, 2> queues_;
  std::array<std::int64_t, 2> may_go_{};  // runs
  std::int64_t small_bytes_ = 0;
  GhostQueue ghosts_;
  std::vector<Place> places_;
  CopyId chosen_ = kNoCopy;  // the victim, until something happens
  std::int64_t at_most_ = 0;
};

}  // namespace

EvictionEntry s3fifo_policy() {
  return {{"s3fifo",
           "what is new passes a small queue; only what is used there reaches the main one",
           "Yang et al., FIFO queues are all you need for cache eviction, SOSP 2023",
           {{"small_share", 0.1, 0, 1, "of the capacity that is the small queue's"}}},
          false,
          [](const PolicyParameters& parameters, Residents& residents) {
            return std::make_unique<S3Fifo>(parameters.at("small_share"), residents);
          }};
}

}  // namespace scsim::sim
