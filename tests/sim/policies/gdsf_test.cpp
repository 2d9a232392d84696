#include <catch2/catch.hpp>

#include "tests/sim/store/store_run.h"

namespace scsim::sim {
namespace {

using test::blocks;

TEST_CASE("gdsf keeps what was used often, for a while", "[sim][gdsf]") {
  test::OneTier store("gdsf", 2);
  for (int i = 0; i < 3; ++i) store.serve(blocks("a"));           // worth 3
  for (const char* word : {"b", "c"}) store.serve(blocks(word));  // worth 1; then 2, L being 1
  CHECK(store.resident(blocks("a")) == 1);
  store.serve(blocks("d"));  // worth 3, L being 2
  CHECK(store.resident(blocks("a")) == 1);
  store.serve(blocks("e"));  // a and d are worth 3, a was used longer ago
  CHECK(store.resident(blocks("a")) == 0);
  CHECK(store.resident(blocks("d")) == 1);
}

TEST_CASE("gdsf evicts a run to its beginning before anything else", "[sim][gdsf]") {
  test::OneTier store("gdsf", 6);
  store.serve(blocks("aaa"));
  store.serve(blocks("bbb"));
  store.serve(blocks("c"));
  CHECK(store.resident(blocks("aaa")) == 2);
  store.serve(blocks("dd"));
  CHECK(store.resident(blocks("aaa")) == 0);
  CHECK(store.resident(blocks("bbb")) == 3);
}

}  // namespace
}  // namespace scsim::sim
