#include <catch2/catch.hpp>

#include "tests/sim/router_views.h"

namespace scsim::sim {
namespace {

TEST_CASE("round robin takes the engines in turn, whatever the request and however loaded they are",
          "[sim][round_robin]") {
  const auto router = test::router("round_robin");
  Rng rng(1, "test.round_robin");
  for (std::size_t i = 0; i < 50; ++i) {
    const std::vector<Span> prompt = test::random_spans(rng, 5, 50);
    CHECK(router->route(test::request_for(prompt, rng.below(9)), test::random_engines(rng, 3)) ==
          i % 3);
  }
}

}  // namespace
}  // namespace scsim::sim
