#include <catch2/catch.hpp>

#include "tests/sim/store/random_visits.h"
#include "tests/sim/store/store_run.h"

namespace scsim::sim {
namespace {

using test::blocks;
using test::Visit;

TEST_CASE("belady evicts what is used again farthest in the future, the new block among it",
          "[sim][belady]") {
  test::OneTier store("belady", 2);
  const auto next = [](std::uint64_t number) { return std::vector<KvStore::NextUse>{{1, number}}; };
  store.serve(blocks("a"), 0, 0, next(4));
  store.serve(blocks("b"), 0, 0, next(3));
  store.serve(blocks("c"), 0, 0, next(5));  // farther than both: is not kept
  CHECK(store.resident(blocks("a")) == 1);
  CHECK(store.resident(blocks("c")) == 0);
  CHECK(store.serve(blocks("b"), 0, 0, next(kNeverUsed)) == 1);
  CHECK(store.serve(blocks("a"), 0, 0, next(kNeverUsed)) == 1);
  CHECK(store.serve(blocks("c"), 0, 0, next(kNeverUsed)) == 0);
}

TEST_CASE("belady splits a prompt where its blocks are used at different times", "[sim][belady]") {
  test::OneTier store("belady", 3);
  store.serve(blocks("aaa"), 0, 0, std::vector<KvStore::NextUse>{{1, 2}, {3, 9}});
  store.serve(blocks("bb"), 0, 0, std::vector<KvStore::NextUse>{{2, 5}});
  CHECK(store.resident(blocks("aaa")) == 1);
  CHECK(store.resident(blocks("bb")) == 2);
}

// Every set of blocks that could be kept is tried: each subset of the next uses that never needs
// more places than there are gives as many hits as it has members.
TEST_CASE("belady finds as many blocks as the best choice of all", "[sim][belady]") {
  for (std::uint64_t trial = 0; trial < 200; ++trial) {
    Rng rng(trial, "test.belady_best");
    const std::vector<Visit> visits = test::random_visits(rng, 7);
    std::vector<std::pair<std::size_t, std::size_t>> uses;  // a block's use and its next
    for (std::size_t i = 0; i < visits.size(); ++i) {
      for (const std::uint64_t next : visits[i].next) {
        if (next != kNeverUsed) uses.emplace_back(i, next);
      }
    }
    if (uses.size() > 14) continue;
    const auto capacity = static_cast<std::int64_t>(1 + rng.below(5));
    std::int64_t best = 0;
    for (std::uint64_t choice = 0; choice < std::uint64_t{1} << uses.size(); ++choice) {
      std::vector<std::int64_t> kept(visits.size());  // after each visit
      std::int64_t hits = 0;
      for (std::size_t k = 0; k < uses.size(); ++k) {
        if ((choice >> k & 1) == 0) continue;
        ++hits;
        for (std::size_t i = uses[k].first; i < uses[k].second; ++i) ++kept[i];
      }
      if (*std::ranges::max_element(kept) <= capacity) best = std::max(best, hits);
    }
    test::OneTier store("belady", capacity);
    std::int64_t found = 0;
    for (const Visit& visit : visits) found += store.serve(visit.prompt(), 0, 0, visit.future());
    CAPTURE(trial, capacity);
    CHECK(found == best);
  }
}

}  // namespace
}  // namespace scsim::sim
