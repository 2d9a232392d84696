#include <catch2/catch.hpp>

#include "tests/sim/store/store_run.h"

namespace scsim::sim {
namespace {

using test::blocks;

// Ten blocks: one for the small queue, nine for the main one and for ghosts.
TEST_CASE("s3fifo lets what is used once pass, and keeps what was used more than that",
          "[sim][s3fifo]") {
  test::OneTier store("s3fifo", 10);
  for (int i = 0; i < 3; ++i) store.serve(blocks("a"));  // used twice since it was stored
  for (const char* word : {"b", "c", "d", "e", "f", "g", "h", "i", "j"}) store.serve(blocks(word));
  for (const char* word : {"k", "l", "m", "n", "o"}) store.serve(blocks(word));
  CHECK(store.resident(blocks("a")) == 1);
  CHECK(store.resident(blocks("b")) == 0);
  CHECK(store.resident(blocks("f")) == 0);
  CHECK(store.resident(blocks("g")) == 1);
}

TEST_CASE("s3fifo takes a ghost into the main queue", "[sim][s3fifo]") {
  test::OneTier store("s3fifo", 10);
  for (const char* word : {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"})
    store.serve(blocks(word));
  store.serve(blocks("k"));
  CHECK(store.serve(blocks("a")) == 0);  // it was the first to go; remembered
  for (int i = 0; i < 30; ++i) store.serve(blocks(std::string(1, static_cast<char>('A' + i))));
  CHECK(store.resident(blocks("a")) == 1);
  CHECK(store.resident(blocks("k")) == 0);
}

// What counts for nobody's quota but its own: seen to fail while a ghost came back into the
// partition of the tenant that had stored it, which had made no room for it.
TEST_CASE("a ghost that another tenant stores again counts for that one's quota", "[sim][s3fifo]") {
  TokenPaths paths;
  KvStore store({.block_tokens = test::kBlock, .tail = true}, paths, nullptr);
  TierOptions options;
  options.capacity = 10;
  options.eviction = *find_eviction("s3fifo", {});
  options.limits = {{.quota = 2}};
  const TierId tier = store.add_tier(std::move(options));
  store.tier(tier).join(1, 0);
  std::uint64_t number = 0;
  const auto serve = [&](std::string_view word, std::uint32_t tenant) {
    const PathId path = paths.make(blocks(word), ContentId{}, 0, 0);
    store.look_up(path, paths.tokens(path));
    store.serve(tier, Use{TimePoint(0), tenant, number++}, 1);
    store.check_everything();
  };
  serve("aa", 1);
  serve("bb", 1);  // its quota: a's become ghosts
  CHECK(store.tier(tier).used() == 2);
  serve("aa", 0);
  CHECK(store.tier(tier).used_by(0) == 2);
  CHECK(store.tier(tier).used_by(1) == 2);
}

}  // namespace
}  // namespace scsim::sim
