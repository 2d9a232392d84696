#include <catch2/catch.hpp>

#include "tests/sim/store/store_run.h"

namespace scsim::sim {
namespace {

using test::blocks;

TEST_CASE("slru protects what was used again from a scan", "[sim][slru]") {
  test::OneTier store("slru", 5, {{"protected_share", 0.4}});
  store.serve(blocks("aa"));
  store.serve(blocks("aa"));
  store.serve(blocks("bbb"));
  store.serve(blocks("cccc"));  // b's go, then the protected, whose last was used longest ago
  CHECK(store.resident(blocks("aa")) == 1);
  CHECK(store.resident(blocks("bbb")) == 0);
  store.serve(blocks("dd"));
  CHECK(store.resident(blocks("aa")) == 1);
  CHECK(store.resident(blocks("cccc")) == 2);
}

TEST_CASE("slru puts back on probation what is too much, least recently used first",
          "[sim][slru]") {
  test::OneTier store("slru", 6, {{"protected_share", 0.5}});  // three blocks
  store.serve(blocks("aaa"));
  store.serve(blocks("aaa"));
  store.serve(blocks("bb"));
  store.serve(blocks("bb"));   // five protected
  store.serve(blocks("c"));    // a's last two are on probation again
  store.serve(blocks("ddd"));  // and go, as c came after them; then c
  CHECK(store.resident(blocks("aaa")) == 1);
  CHECK(store.resident(blocks("bb")) == 2);
  CHECK(store.resident(blocks("c")) == 0);
}

}  // namespace
}  // namespace scsim::sim
