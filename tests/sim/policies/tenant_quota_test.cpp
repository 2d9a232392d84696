#include <catch2/catch.hpp>

#include "tests/sim/store/store_run.h"

namespace scsim::sim {
namespace {

using test::blocks;

TEST_CASE("tenant_quota takes from the tenant that has most", "[sim][tenant_quota]") {
  test::OneTier store("tenant_quota", 6);
  store.serve(blocks("aa"), 0, 0);
  store.serve(blocks("bbbb"), 0, 1);
  store.serve(blocks("c"), 0, 1);  // its own, though a's were used longer ago
  CHECK(store.resident(blocks("aa")) == 2);
  CHECK(store.resident(blocks("bbbb")) == 3);
  store.serve(blocks("ddd"), 0, 2);  // until both have two, and then the lower number
  CHECK(store.tier().used_by(0) == 1);
  CHECK(store.tier().used_by(1) == 2);
  CHECK(store.tier().used_by(2) == 3);
  CHECK(store.resident(blocks("c")) == 1);  // the most recent of its tenant
}

TEST_CASE("under tenant_quota a tenant alone has all there is", "[sim][tenant_quota]") {
  test::OneTier store("tenant_quota", 6);
  store.serve(blocks("aaaaaa"), 0, 3);
  CHECK(store.serve(blocks("aaaaaa"), 0, 3) == 6);
}

TEST_CASE("under tenant_quota a scan of one tenant costs the others nothing they have a right to",
          "[sim][tenant_quota]") {
  test::OneTier store("tenant_quota", 8);
  store.serve(blocks("aaaa"), 0, 0);
  for (int i = 0; i < 20; ++i)
    store.serve(blocks(std::string(1, static_cast<char>('A' + i))), 0, 1);
  CHECK(store.serve(blocks("aaaa"), 0, 0) == 4);
}

}  // namespace
}  // namespace scsim::sim
