#include <catch2/catch.hpp>

#include "tests/sim/store/store_run.h"

namespace scsim::sim {
namespace {

using test::blocks;

TEST_CASE("sieve keeps what was used where it is and goes on from there", "[sim][sieve]") {
  test::OneTier store("sieve", 3);
  store.serve(blocks("a"));
  store.serve(blocks("b"));
  store.serve(blocks("c"));
  store.serve(blocks("a"));
  store.serve(blocks("d"));  // over a, which loses its mark; b goes
  CHECK(store.resident(blocks("a")) == 1);
  CHECK(store.resident(blocks("b")) == 0);
  store.serve(blocks("e"));  // c: the hand stands behind a
  CHECK(store.resident(blocks("c")) == 0);
  store.serve(blocks("f"));  // d, though a is older and has no mark
  CHECK(store.resident(blocks("a")) == 1);
  CHECK(store.resident(blocks("d")) == 0);
  CHECK(store.resident(blocks("e")) == 1);
}

TEST_CASE("sieve starts again from the oldest when the newest has gone", "[sim][sieve]") {
  test::OneTier store("sieve", 2);
  store.serve(blocks("a"));
  store.serve(blocks("b"));
  store.serve(blocks("a"));
  store.serve(blocks("c"));  // b, then the newest, goes
  CHECK(store.resident(blocks("b")) == 0);
  store.serve(blocks("d"));  // a, not c, which came behind b
  CHECK(store.resident(blocks("a")) == 0);
  CHECK(store.resident(blocks("c")) == 1);
}

}  // namespace
}  // namespace scsim::sim
