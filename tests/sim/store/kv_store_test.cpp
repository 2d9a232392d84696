#include "sim/store/kv_store.h"

#include <catch2/catch.hpp>
#include <map>

#include "tests/sim/store/store_run.h"
#include "traces/rng.h"

namespace scsim::sim {
namespace {

using test::blocks;

TEST_CASE("a run knows its copies, few or many", "[sim][kv_store]") {
  Rng rng(5, "test.run_copies");
  RunCopies copies;
  std::map<TierId, CopyId> expected;
  for (int i = 0; i < 20000; ++i) {
    const auto tier = static_cast<TierId>(rng.below(60));
    const bool grows = i / 400 % 2 == 0;  // so that it becomes many and few again
    if (expected.count(tier) == 0 && rng.chance(grows ? 0.9 : 0.1)) {
      copies.add(tier, static_cast<CopyId>(i));
      expected[tier] = static_cast<CopyId>(i);
    } else if (rng.chance(grows ? 0.1 : 0.9)) {
      copies.remove(tier);
      expected.erase(tier);
    }
    const auto asked = static_cast<TierId>(rng.below(60));
    REQUIRE(copies.in(asked) == (expected.count(asked) > 0 ? expected[asked] : kNoCopy));
    REQUIRE(copies.empty() == expected.empty());
    std::map<TierId, CopyId> all;
    copies.for_each([&](TierId at, CopyId copy) { all[at] = copy; });
    REQUIRE(all == expected);
  }
}

// As a store under the clock does: what was computed is written, no use came before.
TEST_CASE("a prompt that leaves a known run in its middle is stored without being used first",
          "[sim][store]") {
  TokenPaths paths;
  KvStore store({.block_tokens = test::kBlock}, paths, nullptr);
  TierOptions options;
  options.capacity = 100;
  options.eviction = *find_eviction("lru", {});
  const TierId tier = store.add_tier(std::move(options));
  const auto look_up = [&](std::string_view word) {
    const PathId path = paths.make(blocks(word), ContentId{}, 0, 0);
    store.look_up(path, paths.tokens(path));
  };
  look_up("aaaaa");
  CHECK(store.insert(tier, 0, 5, Use{}, {}) == 5);
  look_up("aabb");
  CHECK(store.insert(tier, 0, 4, Use{TimePoint(1), 0, 1}, {}) == 2);
  store.check_everything();
  look_up("aabb");
  CHECK(store.leading(tier, 0) == 4);
  look_up("aaaaa");
  CHECK(store.leading(tier, 0) == 5);
  CHECK(store.tier(tier).used() == 7);
}

}  // namespace
}  // namespace scsim::sim
