#include <catch2/catch.hpp>

#include "tests/sim/router_views.h"

namespace scsim::sim {
namespace {

const std::vector<Span> kPrompt = {test::span(0, 0, 10)};

TEST_CASE("least loaded takes the engine with the fewest requests, those that wait counting more",
          "[sim][least_loaded]") {
  for (const double weight : {0.0, 1.0, 4.0}) {
    const auto router = test::router("least_loaded", {{"waiting_weight", weight}});
    Rng rng(7, "test.least_loaded");
    const auto load = [&](const EngineView& view) {
      return weight * static_cast<double>(view.waiting + view.sent_requests) +
             static_cast<double>(view.running);
    };
    for (int i = 0; i < 300; ++i) {
      const auto views = test::random_engines(rng, 1 + rng.below(6));
      const std::size_t place = router->route(test::request_for(kPrompt), views);
      for (const EngineView& view : views) REQUIRE(load(views[place]) <= load(view));
    }
  }
}

TEST_CASE("least loaded takes the same engine whether told what changed or looking at all",
          "[sim][least_loaded]") {
  const auto told = test::router("least_loaded"), untold = test::router("least_loaded");
  Rng rng(8, "test.least_loaded.told");
  auto views = test::random_engines(rng, 77);
  for (std::size_t e = 0; e < views.size(); ++e) told->heard(e);
  for (int i = 0; i < 3000; ++i) {
    const std::size_t place = told->route(test::request_for(kPrompt), views);
    REQUIRE(place == untold->route(test::request_for(kPrompt), views));
    ++views[place].sent_requests;
    const std::size_t other = rng.below(views.size());
    views[other] = test::random_engines(rng, 1)[0];
    for (const std::size_t changed : {place, other}) told->heard(changed);
  }
}

TEST_CASE("least loaded takes equally loaded engines in turn", "[sim][least_loaded]") {
  const auto router = test::router("least_loaded");
  std::vector<std::size_t> places;
  for (int i = 0; i < 6; ++i)
    places.push_back(router->route(test::request_for(kPrompt), test::idle_engines(3)));
  CHECK(places == std::vector<std::size_t>{1, 2, 0, 1, 2, 0});
}

// The views say the same at every call, as stale ones do; only what was sent since tells them
// apart.
TEST_CASE("least loaded spreads requests between two views by what it sent itself",
          "[sim][least_loaded]") {
  const auto router = test::router("least_loaded");
  auto views = test::idle_engines(4);
  views[2].running = 100;
  std::vector<int> sent(4);
  for (int i = 0; i < 30; ++i) {
    const std::size_t place = router->route(test::request_for(kPrompt), views);
    ++sent[place];
    ++views[place].sent_requests;
  }
  CHECK(sent == std::vector<int>{10, 10, 0, 10});
}

}  // namespace
}  // namespace scsim::sim
