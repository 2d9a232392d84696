#include <catch2/catch.hpp>

#include "tests/sim/store/store_run.h"

namespace scsim::sim {
namespace {

using test::blocks;

TEST_CASE("ttl drops what was not used for a while, though there is room", "[sim][ttl]") {
  test::OneTier store("ttl", 100, {{"seconds", 10}});
  store.serve(blocks("aaa"), 0);
  store.serve(blocks("aab"), 6);  // a's first two are used again
  CHECK(store.serve(blocks("c"), 10) == 0);
  CHECK(store.resident(blocks("aaa")) == 2);
  CHECK(store.resident(blocks("aab")) == 3);
  CHECK(store.serve(blocks("aab"), 15.5) == 3);
  CHECK(store.serve(blocks("aab"), 25.5) == 0);  // ten seconds to the nanosecond
  CHECK(store.tier().used() == 3);
}

TEST_CASE("ttl evicts the least recently used where there is no room", "[sim][ttl]") {
  test::OneTier store("ttl", 3, {{"seconds", 10}});
  store.serve(blocks("a"), 0);
  store.serve(blocks("bb"), 1);
  store.serve(blocks("a"), 2);
  store.serve(blocks("c"), 3);
  CHECK(store.resident(blocks("bb")) == 1);
  CHECK(store.resident(blocks("a")) == 1);
}

}  // namespace
}  // namespace scsim::sim
