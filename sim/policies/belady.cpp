// The offline optimum: what is used again farthest in the future goes first, a request's own new
// blocks among it (bypass), blocks never used again before all others.
//
// No policy finds more blocks, whatever it knows, as long as blocks are of equal size:
// - A block is found by a request if it stayed since its last use. So a policy chooses among
//   intervals, one from each use of a block to its next; a chosen one takes one place throughout,
//   and between any two requests at most as many are chosen as there are places. Places between
//   uses that end in no hit are wasted, so the most hits are the most such intervals.
// - Going through time and dropping, whenever there is one too many, the interval that ends last
//   gives the most (interval packing: Carlisle and Lloyd, On the k-coloring of intervals, Discrete
//   Applied Mathematics 1995; the exchange argument: what is kept instead ends no later, so it is
//   in nobody's way longer).
// - The prefix rule costs nothing: who uses a block uses all before it, so next uses never decrease
//   with depth, and among the farthest there is always a leaf. A block that the optimum keeps never
//   lacks one before it. So the bound holds for policies under the prefix rule, and is reached by
//   one.
// In a queue the deepest of equals goes first; of different prompts that are never used again, the
// one used longest ago.
#include <utility>

#include "sim/store/keyed_eviction.h"

namespace scsim::sim {
namespace {

class Belady final : public KeyedEviction<std::pair<std::uint64_t, std::uint64_t>> {
 public:
  explicit Belady(Residents& residents) : KeyedEviction(residents) {}

  void added(CopyId copy) override { learn(copy); }
  // The store calls it once it has told when each block is used next.
  void refreshed(CopyId copy) override { learn(copy); }
  bool spares_request() const override { return false; }

 private:
  void learn(CopyId copy) {
    const Resident& resident = residents_[copy];
    set_key(copy, {~resident.next_use, resident.last_number});
  }
};

}  // namespace

EvictionEntry belady_policy() {
  return {{"belady",
           "what is used again farthest in the future goes first: the offline optimum",
           "Belady, A study of replacement algorithms for a virtual-storage computer, IBM Systems "
           "Journal 1966; Carlisle and Lloyd 1995",
           {}},
          true,
          [](const PolicyParameters&, Residents& residents) {
            return std::make_unique<Belady>(residents);
          }};
}

}  // namespace scsim::sim
