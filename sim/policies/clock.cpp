// Clock, or second chance: a queue in which a use only leaves a mark. Whose turn comes and who is
// marked loses the mark and goes to the back.
//
// A block that others stand on can not go, so it goes to the back too, with no mark left; one of
// the request's own keeps its mark. Going to the back is what passing over it with the hand is.
//
// Cost: a victim passes over all between it and the last one, each O(1): in one round no more than
// the runs there are, and every unmarked run that may go is a victim of that round.
#include "sim/store/copy_queue.h"

namespace scsim::sim {
namespace {

class Clock final : public EvictionPolicy {
 public:
  explicit Clock(const Residents& residents) : residents_(residents) {}

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
    queue_.erase(copy);
  }

  CopyId victim() override {
    if (may_go_ == 0) return kNoCopy;
    for (;;) {
      const CopyId copy = queue_.front();
      const Resident& resident = residents_[copy];
      if (resident.evictable() && !marked_[index(copy)]) return copy;
      if (resident.pins == 0) marked_[index(copy)] = false;
      queue_.move_to_back(copy);
    }
  }

 private:
  static std::size_t index(CopyId copy) { return static_cast<std::size_t>(copy); }
  void mark(CopyId copy, bool marked) {
    if (index(copy) >= marked_.size()) marked_.resize(index(copy) + index(copy) / 2 + 1);
    marked_[index(copy)] = marked;
  }

  const Residents& residents_;
  CopyQueue queue_;  // from the hand on
  std::vector<bool> marked_;
  std::int64_t may_go_ = 0;  // runs
};

}  // namespace

EvictionEntry clock_policy() {
  return {{"clock",
           "first in, first out, but what was used since gets one more round",
           "Corbato, A paging experiment with the Multics system, 1968",
           {}},
          false,
          [](const PolicyParameters&, Residents& residents) {
            return std::make_unique<Clock>(residents);
          }};
}

}  // namespace scsim::sim
