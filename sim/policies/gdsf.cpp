// Greedy dual size with frequency: a block's worth is H = L + uses * cost / size, set at each use,
// and the least worth goes, of equals the one used longest ago; L rises to the worth of what goes,
// so that what was used often but long ago ages.
//
// The cost of missing a block is 1, and its size that of the first block the tier ever had is 1
// too: with blocks of one size this is LFU with dynamic ageing. A use is a request, counted since
// the block was stored. Blocks of a run have the same worth: after one has gone L is that worth,
// and the next is still the least.
#include <algorithm>
#include <utility>

#include "sim/store/keyed_eviction.h"

namespace scsim::sim {
namespace {

class Gdsf final : public KeyedEviction<std::pair<double, std::uint64_t>> {
 public:
  explicit Gdsf(Residents& residents) : KeyedEviction(residents) {}

  void used(CopyId copy) override { value(copy); }
  void added(CopyId copy) override { value(copy); }
  void removed(CopyId copy, bool remember) override {
    KeyedEviction::removed(copy, remember);
    has_gone(copy);
  }
  void shortened(CopyId copy, std::int64_t) override { has_gone(copy); }
  CopyId victim() override { return chosen_ = KeyedEviction::victim(); }

 private:
  void value(CopyId copy) {
    const Resident& resident = residents_[copy];
    if (unit_ == 0) unit_ = static_cast<double>(resident.block_bytes);
    const double size = static_cast<double>(resident.block_bytes) / unit_;
    set_key(copy, {floor_ + static_cast<double>(resident.uses) / size, resident.last_number});
  }
  void has_gone(CopyId copy) {
    if (copy != chosen_) return;  // it did not go for want of room
    floor_ = std::max(floor_, key(copy).first);
    chosen_ = kNoCopy;
  }

  double floor_ = 0;  // L
  double unit_ = 0;   // bytes of size 1
  CopyId chosen_ = kNoCopy;
};

}  // namespace

EvictionEntry gdsf_policy() {
  return {{"gdsf",
           "uses for the size, and everything ages: the least worth goes first",
           "Cherkasova, Improving WWW proxies performance with greedy-dual-size-frequency caching, "
           "HP Labs 1998",
           {}},
          false,
          [](const PolicyParameters&, Residents& residents) {
            return std::make_unique<Gdsf>(residents);
          }};
}

}  // namespace scsim::sim
