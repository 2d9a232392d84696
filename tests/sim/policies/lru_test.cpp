#include <catch2/catch.hpp>

#include "tests/sim/store/store_run.h"

namespace scsim::sim {
namespace {

using test::blocks;

TEST_CASE("lru evicts what was used longest ago, the deepest blocks first", "[sim][lru]") {
  test::OneTier store("lru", 6);
  CHECK(store.serve(blocks("aaa")) == 0);
  CHECK(store.serve(blocks("bbb")) == 0);
  CHECK(store.serve(blocks("aaa")) == 3);
  CHECK(store.serve(blocks("c")) == 0);  // in place of b's last
  CHECK(store.resident(blocks("aaa")) == 3);
  CHECK(store.resident(blocks("bbb")) == 2);
  CHECK(store.resident(blocks("c")) == 1);
}

TEST_CASE("lru keeps the part of a prompt that others use when its end goes", "[sim][lru]") {
  test::OneTier store("lru", 6);
  store.serve(blocks("aaaxx"));
  store.serve(blocks("aaayy"));  // one too many: the older end gives
  CHECK(store.resident(blocks("aaaxx")) == 4);
  CHECK(store.resident(blocks("aaayy")) == 5);
}

}  // namespace
}  // namespace scsim::sim
