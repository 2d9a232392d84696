#include "sim/store/kv_store.h"

#include <catch2/catch.hpp>

#include "tests/sim/store/store_run.h"

namespace scsim::sim {
namespace {

using test::blocks;

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
