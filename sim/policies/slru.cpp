// Segmented LRU: what is new is on probation, what is used there is protected, up to a share of the
// capacity; what is too much there goes back on probation, as the most recent. On probation is who
// leaves; the protected give only where nothing on probation may go.
//
// A request's blocks become protected together, so the protected part may hold more than its share
// until the next request comes and puts the excess back, the least recently used first.
#include <cmath>
#include <utility>

#include "sim/store/copy_queue.h"
#include "sim/store/keyed_eviction.h"

namespace scsim::sim {
namespace {

enum Segment : std::uint8_t { kProbation, kProtected };

class SegmentedLru final : public KeyedEviction<std::pair<Segment, std::uint64_t>> {
 public:
  SegmentedLru(double share, Residents& residents)
      : KeyedEviction(residents), share_(share * static_cast<double>(residents.capacity())) {}

  void request(const Use&) override {
    for (;;) {
      const double excess_bytes = static_cast<double>(protected_bytes_) - share_;
      if (excess_bytes <= 0) return;
      const CopyId copy = protected_.front();
      const Resident& resident = residents_[copy];
      const auto excess = static_cast<std::int64_t>(
          std::ceil(excess_bytes / static_cast<double>(resident.block_bytes)));
      if (excess < resident.blocks) residents_.cut(copy, excess);
      leave_protected(copy);
      set_key(copy, {kProbation, next_++});
    }
  }
  void used(CopyId copy) override {
    if (is_protected(copy)) {
      protected_.move_to_back(copy);
    } else {
      protected_.push_back(copy);
      protected_bytes_ += residents_[copy].bytes();
    }
    set_key(copy, {kProtected, next_++});
  }
  void added(CopyId copy) override { set_key(copy, {kProbation, next_++}); }
  void refreshed(CopyId copy) override {
    if (is_protected(copy)) protected_.move_to_back(copy);
    set_key(copy, {key(copy).first, next_++});
  }
  void split(CopyId upper, CopyId lower) override {
    KeyedEviction::split(upper, lower);
    if (is_protected(lower)) protected_.insert_after(upper, lower);
  }
  void removed(CopyId copy, bool remember) override {
    KeyedEviction::removed(copy, remember);
    if (is_protected(copy)) leave_protected(copy);
  }
  void shortened(CopyId copy, std::int64_t blocks) override {
    if (is_protected(copy)) protected_bytes_ -= blocks * residents_[copy].block_bytes;
  }

 private:
  bool is_protected(CopyId copy) const { return key(copy).first == kProtected; }
  void leave_protected(CopyId copy) {
    protected_.erase(copy);
    protected_bytes_ -= residents_[copy].bytes();
  }

  double share_;         // bytes
  CopyQueue protected_;  // least recently used in front
  std::int64_t protected_bytes_ = 0;
  std::uint64_t next_ = 0;
};

}  // namespace

EvictionEntry slru_policy() {
  return {{"slru",
           "what was used again is protected from what was not, up to a share",
           "Karedla, Love and Wherry, Caching strategies to improve disk system performance, "
           "Computer 1994",
           {{"protected_share", 0.8, 0, 1, "of the capacity, for what was used again"}}},
          false,
          [](const PolicyParameters& parameters, Residents& residents) {
            return std::make_unique<SegmentedLru>(parameters.at("protected_share"), residents);
          }};
}

}  // namespace scsim::sim
