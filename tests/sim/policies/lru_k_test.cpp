#include <catch2/catch.hpp>

#include "tests/sim/store/store_run.h"

namespace scsim::sim {
namespace {

using test::blocks;

TEST_CASE("lru_k evicts what was used fewer than k times first", "[sim][lru_k]") {
  test::OneTier store("lru_k", 3);
  store.serve(blocks("a"));
  store.serve(blocks("a"));
  store.serve(blocks("b"));
  store.serve(blocks("c"));
  store.serve(blocks("d"));  // b and c have one use, a is older but has two
  CHECK(store.resident(blocks("a")) == 1);
  CHECK(store.resident(blocks("b")) == 0);
}

TEST_CASE("lru_k compares the k-th last uses, not the last", "[sim][lru_k]") {
  test::OneTier store("lru_k", 2);
  store.serve(blocks("a"));
  store.serve(blocks("b"));
  store.serve(blocks("b"));
  store.serve(blocks("a"));  // a's second last use is older than b's
  store.serve(blocks("c"));
  CHECK(store.resident(blocks("a")) == 0);
  CHECK(store.resident(blocks("b")) == 1);
}

TEST_CASE("lru_k with k = 1 is lru", "[sim][lru_k]") {
  test::OneTier one("lru_k", 4, {{"k", 1}}), lru("lru", 4);
  for (const char* word : {"aab", "c", "aad", "e", "c", "aab", "ff", "aad"}) {
    CHECK(one.serve(blocks(word)) == lru.serve(blocks(word)));
    CHECK(one.resident(blocks("aad")) == lru.resident(blocks("aad")));
  }
}

}  // namespace
}  // namespace scsim::sim
