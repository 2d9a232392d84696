#include <catch2/catch.hpp>

#include "tests/sim/router_views.h"

namespace scsim::sim {
namespace {

const std::vector<Span> kPrompt = {test::span(0, 0, 10)};

TEST_CASE("least tokens takes the engine with the fewest prompt tokens before it",
          "[sim][least_tokens]") {
  const auto router = test::router("least_tokens");
  Rng rng(7, "test.least_tokens");
  for (int i = 0; i < 300; ++i) {
    const auto views = test::random_engines(rng, 1 + rng.below(6));
    const std::size_t place = router->route(test::request_for(kPrompt), views);
    const auto pending = [](const EngineView& v) { return v.pending_tokens + v.sent_tokens; };
    for (const EngineView& view : views) REQUIRE(pending(views[place]) <= pending(view));
  }
}

TEST_CASE("least tokens takes engines with as many in turn", "[sim][least_tokens]") {
  const auto router = test::router("least_tokens");
  std::vector<std::size_t> places;
  for (int i = 0; i < 4; ++i)
    places.push_back(router->route(test::request_for(kPrompt), test::idle_engines(3)));
  CHECK(places == std::vector<std::size_t>{1, 2, 0, 1});
}

}  // namespace
}  // namespace scsim::sim
