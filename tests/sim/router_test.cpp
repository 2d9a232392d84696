// What every router of the table keeps to, and the messages for those who mistype.
#include "sim/router.h"

#include <catch2/catch.hpp>
#include <limits>
#include <set>

#include "tests/sim/router_views.h"

namespace scsim::sim {
namespace {

using Catch::Contains;
using test::router;
using test::router_error;

std::vector<std::size_t> random_decisions(Router& router, std::uint64_t seed, std::size_t engines) {
  std::vector<std::size_t> places;
  for (std::uint64_t i = 0; i < 200; ++i) {
    Rng rng(seed, "test.router", i);
    const std::vector<Span> prompt = test::random_spans(rng, 5, 50);
    const auto views = test::random_engines(rng, engines);
    const ContentId answer = rng.chance(0.5) ? ContentId(rng.below(5)) : ContentId{};
    places.push_back(router.route(test::request_for(prompt, rng.below(20), answer), views));
  }
  return places;
}

TEST_CASE("every router gives a place among the engines, however many there are", "[sim][router]") {
  for (const RouterEntry& entry : router_table()) {
    for (const std::size_t engines : {1u, 2u, 7u, 64u}) {
      CAPTURE(entry.name, engines);
      for (const std::size_t place : random_decisions(*router(entry.name), 1, engines))
        REQUIRE(place < engines);
    }
  }
}

TEST_CASE("every router decides the same when asked the same again", "[sim][router]") {  // INV-SAME
  for (const RouterEntry& entry : router_table()) {
    CAPTURE(entry.name);
    CHECK(random_decisions(*router(entry.name, {}, 3), 2, 5) ==
          random_decisions(*router(entry.name, {}, 3), 2, 5));
  }
}

TEST_CASE("every router uses every engine when sessions are many and engines idle",
          "[sim][router]") {
  for (const RouterEntry& entry : router_table()) {
    CAPTURE(entry.name);
    const auto made = router(entry.name);
    std::set<std::size_t> used;
    for (std::uint64_t i = 0; i < 200; ++i) {
      const std::vector<Span> prompt = {test::span(i, 0, 100)};
      used.insert(made->route(test::request_for(prompt, i), test::idle_engines(8)));
    }
    CHECK(used.size() == 8);
  }
}

TEST_CASE("every router of the table says what it is, and its defaults are in range",
          "[sim][router]") {
  std::set<std::string> names;
  for (const RouterEntry& entry : router_table()) {
    CAPTURE(entry.name);
    CHECK_FALSE(entry.name.empty());
    CHECK(names.insert(entry.name).second);
    CHECK_FALSE(entry.sentence.empty());
    for (const PolicyParameter& parameter : entry.parameters) {
      CAPTURE(parameter.name);
      CHECK_FALSE(parameter.sentence.empty());
      CHECK(parameter.min <= parameter.default_value);
      CHECK(parameter.default_value <= parameter.max);
      CHECK(router_error(entry.name, {{parameter.name, parameter.min}}).empty());
      CHECK(router_error(entry.name, {{parameter.name, parameter.max}}).empty());
      for (const double value :
           {parameter.min - 1, parameter.max + 1, std::numeric_limits<double>::quiet_NaN()}) {
        CHECK_THAT(router_error(entry.name, {{parameter.name, value}}),
                   Contains("router.parameters." + parameter.name) && Contains("out of range"));
      }
    }
  }
}

TEST_CASE("an unknown router is answered with the nearest one and all there are", "[sim][router]") {
  CHECK_THAT(router_error("prefix_awear"), Contains("router.policy") &&
                                               Contains("did you mean \"prefix_aware\"?") &&
                                               Contains("round_robin"));
}

TEST_CASE("an unknown parameter is answered with the nearest one of that router", "[sim][router]") {
  CHECK_THAT(router_error("least_loaded", {{"waiting_wait", 4}}),
             Contains("least_loaded") && Contains("unknown parameter \"waiting_wait\"") &&
                 Contains("did you mean \"waiting_weight\"?"));
  CHECK_THAT(router_error("round_robin", {{"weight", 4}}),
             Contains("unknown parameter \"weight\""));
}

}  // namespace
}  // namespace scsim::sim
