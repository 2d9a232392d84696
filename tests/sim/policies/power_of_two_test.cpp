#include <catch2/catch.hpp>

#include "tests/sim/router_views.h"
#include "traces/math.h"

namespace scsim::sim {
namespace {

const std::vector<Span> kPrompt = {test::span(0, 0, 10)};

TEST_CASE("power of two never takes the fullest engine, nor looks at more than it draws",
          "[sim][power_of_two]") {
  const auto router = test::router("power_of_two", {}, 3);
  auto views = test::idle_engines(5);
  for (std::size_t i = 0; i < views.size(); ++i) views[i].running = static_cast<std::int64_t>(i);
  std::vector<int> taken(5);
  for (int i = 0; i < 10000; ++i) ++taken[router->route(test::request_for(kPrompt), views)];
  // The engine of rank k from below is the lesser of two of five in (4 - k) of 10 pairs.
  for (int k = 0; k < 5; ++k)
    CHECK(std::abs(taken[static_cast<std::size_t>(k)] - 1000 * (4 - k)) < 250);
  CHECK(taken[4] == 0);
}

// Balls into bins: with one choice the fullest of n bins has about log n / log log n balls, with
// two about log log n / log 2 (Azar, Broder, Karlin and Upfal, 1994).
TEST_CASE("two choices fill engines far more evenly than one", "[sim][power_of_two]") {
  const auto fullest = [](double choices) {
    const auto router = test::router("power_of_two", {{"choices", choices}}, 11);
    auto views = test::idle_engines(1000);
    std::int64_t most = 0;
    for (int i = 0; i < 1000; ++i)
      most = std::max(most, ++views[router->route(test::request_for(kPrompt), views)].running);
    return most;
  };
  CHECK(fullest(1) >= 5);
  CHECK(fullest(2) <= 4);
}

TEST_CASE("with as many choices as engines it is the least loaded", "[sim][power_of_two]") {
  const auto router = test::router("power_of_two", {{"choices", 100}}, 3);
  Rng rng(7, "test.power_of_two");
  for (int i = 0; i < 200; ++i) {
    const auto views = test::random_engines(rng, 1 + rng.below(6));
    const std::size_t place = router->route(test::request_for(kPrompt), views);
    const auto load = [](const EngineView& v) {
      return 4 * (v.waiting + v.sent_requests) + v.running;
    };
    for (const EngineView& view : views) REQUIRE(load(views[place]) <= load(view));
  }
}

}  // namespace
}  // namespace scsim::sim
