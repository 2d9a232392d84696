#include <catch2/catch.hpp>
#include <cmath>

#include "tests/sim/router_views.h"

namespace scsim::sim {
namespace {

const std::vector<Span> kPrompt = {test::span(0, 0, 10)};

std::size_t place_of(std::uint64_t session, std::size_t engines, std::uint64_t seed = 0) {
  return test::router("session_affinity", {}, seed)
      ->route(test::request_for(kPrompt, session), test::idle_engines(engines));
}

TEST_CASE("session affinity sends every turn of a session to one engine, however loaded it is",
          "[sim][session_affinity]") {
  const auto router = test::router("session_affinity");
  Rng rng(1, "test.session_affinity");
  std::vector<std::size_t> home(20, 99);
  for (int i = 0; i < 400; ++i) {
    const std::uint64_t session = rng.below(home.size());
    const std::vector<Span> prompt = test::random_spans(rng, 5, 50);
    const std::size_t place =
        router->route(test::request_for(prompt, session), test::random_engines(rng, 5));
    if (home[session] == 99) home[session] = place;
    REQUIRE(place == home[session]);
  }
}

// Rendezvous hashing: a session goes to the engine with the highest score for it, so removing
// another engine changes nothing for it, and those of the removed one spread over the rest.
TEST_CASE("without the last engine only its own sessions move", "[sim][session_affinity]") {
  for (std::uint64_t session = 0; session < 2000; ++session) {
    const std::size_t with = place_of(session, 6), without = place_of(session, 5);
    if (with < 5)
      REQUIRE(without == with);
    else
      REQUIRE(without < 5);
  }
}

// Sessions of one engine are binomial(n, 1/m): 5 standard deviations hold all eight with
// probability above 0.99999.
TEST_CASE("session affinity gives each engine its share of sessions", "[sim][session_affinity]") {
  constexpr int kSessions = 8000;
  std::vector<int> share(8);
  for (std::uint64_t session = 0; session < kSessions; ++session) ++share[place_of(session, 8)];
  const double mean = kSessions / 8.0, deviation = std::sqrt(mean * (1 - 1 / 8.0));
  for (const int sessions : share) CHECK(std::abs(sessions - mean) < 5 * deviation);
}

TEST_CASE("another seed scatters the sessions in another way", "[sim][session_affinity]") {
  int same = 0;
  for (std::uint64_t session = 0; session < 1000; ++session)
    same += place_of(session, 8, 1) == place_of(session, 8, 2);
  CHECK(same < 200);  // 125 expected
}

}  // namespace
}  // namespace scsim::sim
