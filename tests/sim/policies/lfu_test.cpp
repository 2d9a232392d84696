#include <catch2/catch.hpp>

#include "tests/sim/store/store_run.h"

namespace scsim::sim {
namespace {

using test::blocks;

TEST_CASE("lfu evicts what the fewest requests used, of equals what was used longest ago",
          "[sim][lfu]") {
  test::OneTier store("lfu", 5);
  store.serve(blocks("aa"));
  store.serve(blocks("aa"));
  store.serve(blocks("bb"));
  store.serve(blocks("c"));
  store.serve(blocks("d"));  // b and c have one use each, b's is older
  CHECK(store.resident(blocks("aa")) == 2);
  CHECK(store.resident(blocks("bb")) == 1);
  CHECK(store.resident(blocks("c")) == 1);
  store.serve(blocks("e"));
  CHECK(store.resident(blocks("bb")) == 0);
}

TEST_CASE("lfu forgets how often a block was used when it leaves", "[sim][lfu]") {
  test::OneTier store("lfu", 2);
  for (int i = 0; i < 5; ++i) store.serve(blocks("a"));
  for (int i = 0; i < 7; ++i) store.serve(blocks("bb"));  // b's first and second need both places
  CHECK(store.resident(blocks("a")) == 0);
  CHECK(store.resident(blocks("bb")) == 2);
  store.serve(blocks("a"));
  store.serve(blocks("c"));
  CHECK(store.resident(blocks("a")) == 0);
  CHECK(store.resident(blocks("c")) == 1);
}

}  // namespace
}  // namespace scsim::sim
