// First in, first out: a use changes nothing. A block has its place in the queue from when it was
// stored; what others still stand on keeps its place until they are gone.
#include "sim/store/keyed_eviction.h"

namespace scsim::sim {
namespace {

class Fifo final : public KeyedEviction<std::uint64_t> {
 public:
  explicit Fifo(Residents& residents) : KeyedEviction(residents) {}

  void added(CopyId copy) override { set_key(copy, next_++); }

 private:
  std::uint64_t next_ = 0;
};

}  // namespace

EvictionEntry fifo_policy() {
  return {{"fifo",
           "what was stored first goes first, used or not",
           "Belady, Nelson and Shedler, An anomaly in space-time characteristics, CACM 1969",
           {}},
          false,
          [](const PolicyParameters&, Residents& residents) {
            return std::make_unique<Fifo>(residents);
          }};
}

}  // namespace scsim::sim
