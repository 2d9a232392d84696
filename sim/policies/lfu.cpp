// Least frequently used: the requests that used a block since it was stored, the one that stored it
// among them. Of equals the one used longest ago goes. Nothing is remembered of what has left.
#include <utility>

#include "sim/store/keyed_eviction.h"

namespace scsim::sim {
namespace {

class Lfu final : public KeyedEviction<std::pair<std::uint64_t, std::uint64_t>> {
 public:
  explicit Lfu(Residents& residents) : KeyedEviction(residents) {}

  void used(CopyId copy) override { count(copy); }
  void added(CopyId copy) override { count(copy); }

 private:
  void count(CopyId copy) {
    const Resident& resident = residents_[copy];
    set_key(copy, {resident.uses, resident.last_number});
  }
};

}  // namespace

EvictionEntry lfu_policy() {
  return {{"lfu",
           "what was used by the fewest requests goes first; of equals, least recently used",
           "Robinson and Devarakonda, Data cache management using frequency-based replacement, "
           "SIGMETRICS 1990",
           {}},
          false,
          [](const PolicyParameters&, Residents& residents) {
            return std::make_unique<Lfu>(residents);
          }};
}

}  // namespace scsim::sim
