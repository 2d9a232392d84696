#include <catch2/catch.hpp>

#include "tests/sim/store/store_run.h"

namespace scsim::sim {
namespace {

using test::blocks;

// The n-th block of a prompt costs n seconds.
double deeper_costs_more(std::int64_t from, std::int64_t) {
  return static_cast<double>(from / test::kBlock + 1);
}

TEST_CASE("cost_aware keeps what is dear to compute again", "[sim][cost_aware]") {
  test::OneTier store("cost_aware", 6, {}, deeper_costs_more);
  store.serve(blocks("aaaa"));  // worth 4
  store.serve(blocks("b"));     // worth 1
  store.serve(blocks("c"));
  store.serve(blocks("d"));  // L is 1
  CHECK(store.resident(blocks("aaaa")) == 4);
  CHECK(store.resident(blocks("b")) == 0);
  CHECK(store.resident(blocks("c")) == 1);
}

TEST_CASE("cost_aware ages: what is cheap and recent stays before what is dear and old",
          "[sim][cost_aware]") {
  test::OneTier store("cost_aware", 3, {}, deeper_costs_more);
  store.serve(blocks("aa"));                                           // worth 2
  for (const char* word : {"b", "c", "d"}) store.serve(blocks(word));  // the last with L = 2
  CHECK(store.resident(blocks("aa")) == 1);
}

TEST_CASE("once the end of a run has gone cost_aware lets all of it follow", "[sim][cost_aware]") {
  test::OneTier store("cost_aware", 7, {}, deeper_costs_more);
  store.serve(blocks("aaaa"));  // its first block is worth 1
  store.serve(blocks("bb"));    // worth 2
  store.serve(blocks("c"));
  for (int i = 0; i < 4; ++i) {  // raise L to 4: b's, c, and what comes in their place go
    store.serve(blocks(std::string(1, static_cast<char>('d' + i))));
    store.serve(blocks(std::string(3, static_cast<char>('p' + i))));
  }
  const std::int64_t left = store.resident(blocks("aaaa"));
  CHECK(left < 4);  // its end has gone
  store.serve(blocks(std::string(static_cast<std::size_t>(left), 'z')));
  CHECK(store.resident(blocks("aaaa")) == 0);
  CHECK(store.tier().used() == 7);
}

}  // namespace
}  // namespace scsim::sim
