#include <catch2/catch.hpp>

#include "tests/sim/store/store_run.h"

namespace scsim::sim {
namespace {

using test::blocks;

TEST_CASE("clock gives what was used one more round, once", "[sim][clock]") {
  test::OneTier store("clock", 3);
  store.serve(blocks("a"));
  store.serve(blocks("b"));
  store.serve(blocks("c"));
  store.serve(blocks("a"));
  store.serve(blocks("d"));  // a is passed over and loses its mark, b goes
  CHECK(store.resident(blocks("a")) == 1);
  CHECK(store.resident(blocks("b")) == 0);
  store.serve(blocks("ee"));  // c, then a
  CHECK(store.resident(blocks("c")) == 0);
  CHECK(store.resident(blocks("a")) == 0);
  CHECK(store.resident(blocks("d")) == 1);
}

TEST_CASE("clock passes over a block that others stand on, whole run by whole run",
          "[sim][clock]") {
  test::OneTier store("clock", 5);
  store.serve(blocks("aa"));
  store.serve(blocks("b"));
  store.serve(blocks("aac"));  // marks a's two
  store.serve(blocks("d"));
  store.serve(blocks("e"));  // a's go to the back without a mark, b goes
  CHECK(store.resident(blocks("b")) == 0);
  CHECK(store.resident(blocks("aac")) == 3);
  store.serve(blocks("f"));  // c, the oldest from the hand on
  CHECK(store.resident(blocks("aac")) == 2);
  store.serve(blocks("gg"));  // d, and then a's last, which came to the back before e
  CHECK(store.resident(blocks("d")) == 0);
  CHECK(store.resident(blocks("aac")) == 1);
  CHECK(store.resident(blocks("e")) == 1);
}

}  // namespace
}  // namespace scsim::sim
