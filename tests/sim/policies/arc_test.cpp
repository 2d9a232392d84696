#include <catch2/catch.hpp>

#include "tests/sim/store/store_run.h"

namespace scsim::sim {
namespace {

using test::blocks;

TEST_CASE("arc lets what was used once go before what was used again", "[sim][arc]") {
  test::OneTier store("arc", 4);
  store.serve(blocks("aa"));
  store.serve(blocks("aa"));
  store.serve(blocks("bb"));
  store.serve(blocks("cc"));
  CHECK(store.resident(blocks("aa")) == 2);
  CHECK(store.resident(blocks("bb")) == 0);
  CHECK(store.resident(blocks("cc")) == 2);
}

TEST_CASE("arc learns from a ghost of what was used once to keep more of that", "[sim][arc]") {
  test::OneTier store("arc", 4);
  store.serve(blocks("aa"));
  store.serve(blocks("aa"));
  store.serve(blocks("bb"));
  store.serve(blocks("cc"));  // b's are ghosts
  store.serve(blocks("bb"));  // two blocks are wanted for what is used once: c's stay, a's go
  CHECK(store.resident(blocks("aa")) == 0);
  CHECK(store.resident(blocks("bb")) == 2);
  CHECK(store.resident(blocks("cc")) == 2);
}

}  // namespace
}  // namespace scsim::sim
