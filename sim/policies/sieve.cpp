// SIEVE: a queue in which nothing moves. A hand goes from the oldest to the newest and round again,
// takes the mark off what was used, and the first without one goes.
//
// The hand passes over a block that others stand on as over a marked one, and it loses its mark;
// over one of the request's own too, but that keeps it.
//
// Cost: as clock.
#include "sim/store/copy_queue.h"

namespace scsim::sim {
namespace {

class Sieve final : public EvictionPolicy {
 public:
  explicit Sieve(const Residents& residents) : residents_(residents) {}

  void used(CopyId copy) override { marked_[index(copy)] = true; }
  void added(CopyId copy) override {
    queue_.push_back(copy);
    mark(copy, false);
  }
  void refreshed(CopyId) override {}
  void split(CopyId upper, CopyId lower) override {
    queue_.insert_after(upper, lower);
    mark(upper, marked_[index(lower)]);
  }
  void evictable(CopyId, bool may_go) override { may_go_ += may_go ? 1 : -1; }
  void removed(CopyId copy, bool) override {
    if (residents_[copy].evictable()) --may_go_;
    if (copy == hand_) hand_ = queue_.next(copy);
    queue_.erase(copy);
  }

  CopyId victim() override {
    if (may_go_ == 0) return kNoCopy;
    for (;; hand_ = queue_.next(hand_)) {
      if (hand_ == kNoCopy) hand_ = queue_.front();
      const Resident& resident = residents_[hand_];
      if (resident.evictable() && !marked_[index(hand_)]) return hand_;
      if (resident.pins == 0) marked_[index(hand_)] = false;
    }
  }

 private:
  static std::size_t index(CopyId copy) { return static_cast<std::size_t>(copy); }
  void mark(CopyId copy, bool marked) {
    if (index(copy) >= marked_.size()) marked_.resize(index(copy) + index(copy) / 2 + 1);
    marked_[index(copy)] = marked;
  }

  const Residents& residents_;
  CopyQueue queue_;        // oldest in front
  CopyId hand_ = kNoCopy;  // who is looked at next; none: the oldest
  std::vector<bool> marked_;
  std::int64_t may_go_ = 0;  // runs
};

}  // namespace

EvictionEntry sieve_policy() {
  return {{"sieve",
           "a hand sweeps from old to new; what was not used since it came by goes",
           "Zhang et al., SIEVE is simpler than LRU, NSDI 2024",
           {}},
          false,
          [](const PolicyParameters&, Residents& residents) {
            return std::make_unique<Sieve>(residents);
          }};
}

}  // namespace scsim::sim
