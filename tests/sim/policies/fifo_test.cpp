#include <catch2/catch.hpp>

#include "tests/sim/store/store_run.h"

namespace scsim::sim {
namespace {

using test::blocks;

TEST_CASE("fifo evicts what was stored first, though it is used", "[sim][fifo]") {
  test::OneTier store("fifo", 6);
  store.serve(blocks("aaa"));
  store.serve(blocks("bbb"));
  CHECK(store.serve(blocks("aaa")) == 3);
  store.serve(blocks("c"));
  CHECK(store.resident(blocks("aaa")) == 2);
  CHECK(store.resident(blocks("bbb")) == 3);
}

TEST_CASE("fifo spares a block while others stand on it, not after", "[sim][fifo]") {
  test::OneTier store("fifo", 4);
  store.serve(blocks("a"));
  store.serve(blocks("bb"));
  store.serve(blocks("ac"));  // stands on the oldest
  store.serve(blocks("d"));   // b's last is the oldest that may go
  CHECK(store.resident(blocks("bb")) == 1);
  CHECK(store.resident(blocks("ac")) == 2);
  store.serve(blocks("ee"));  // b's first and c, then it is a's turn
  CHECK(store.resident(blocks("bb")) == 0);
  CHECK(store.resident(blocks("ac")) == 1);
  store.serve(blocks("f"));
  CHECK(store.resident(blocks("ac")) == 0);
  CHECK(store.resident(blocks("d")) == 1);
}

}  // namespace
}  // namespace scsim::sim
