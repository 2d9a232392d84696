#include <catch2/catch.hpp>

#include "tests/sim/router_views.h"

namespace scsim::sim {
namespace {

const std::vector<Span> kPrompt = {test::span(0, 0, 10)};

// Session affinity is the only arm that sends one session always to the same engine; so a world in
// which that engine alone is quick rewards it, and one in which it is slow does not. The bandit is
// told nothing but times to first token.
class World {
 public:
  World() : router_(test::router("bandit", {}, 1)) {
    const auto affinity = test::router("session_affinity", {}, 1);
    home_ = affinity->route(test::request_for(kPrompt, 7), test::idle_engines(8));
    router_->meet(std::vector<EngineFacts>(8));
  }
  // How often of `requests` the session's engine was taken.
  int home_taken(int requests, double seconds_at_home, double seconds_elsewhere) {
    int taken = 0;
    for (int i = 0; i < requests; ++i) {
      RoutableRequest request = test::request_for(kPrompt, 7);
      request.turn = turn_++;
      const std::size_t place = router_->route(request, test::idle_engines(8, 5));
      taken += place == home_ ? 1 : 0;
      router_->answered({request.tenant, request.session, request.turn, place, 10,
                         place == home_ ? seconds_at_home : seconds_elsewhere});
    }
    return taken;
  }

 private:
  std::unique_ptr<Router> router_;
  std::size_t home_ = 0;
  int turn_ = 0;
};

TEST_CASE(
    "a bandit comes to follow what brings first tokens sooner, and leaves it when it does not",
    "[sim][bandit]") {
  World world;
  world.home_taken(300, 0.1, 3);
  CHECK(world.home_taken(300, 0.1, 3) > 240);
  world.home_taken(600, 3, 0.1);
  CHECK(world.home_taken(300, 3, 0.1) < 100);
}

TEST_CASE("a bandit goes the same way whether told what changed or looking at all",
          "[sim][bandit]") {
  const auto told = test::router("bandit", {}, 1), untold = test::router("bandit", {}, 1);
  for (Router* router : {told.get(), untold.get()}) router->meet(std::vector<EngineFacts>(30));
  Rng rng(8, "test.bandit.told");
  auto views = test::random_engines(rng, 30);
  for (std::size_t e = 0; e < views.size(); ++e) told->heard(e);
  for (int i = 0; i < 1000; ++i) {
    RoutableRequest request = test::request_for(kPrompt, rng.below(50));
    request.turn = i;
    const std::size_t place = told->route(request, views);
    REQUIRE(place == untold->route(request, views));
    const double seconds = rng.uniform();
    for (Router* router : {told.get(), untold.get()})
      router->answered({request.tenant, request.session, request.turn, place, 10, seconds});
    ++views[place].sent_requests;
    const std::size_t other = rng.below(views.size());
    views[other] = test::random_engines(rng, 1)[0];
    for (const std::size_t changed : {place, other}) told->heard(changed);
  }
}

TEST_CASE("a bandit whose requests are never answered goes on", "[sim][bandit]") {
  const auto router = test::router("bandit", {}, 1);
  for (int i = 0; i < 100; ++i) {
    RoutableRequest request = test::request_for(kPrompt, static_cast<std::uint64_t>(i));
    REQUIRE(router->route(request, test::idle_engines(3)) < 3);
  }
}

}  // namespace
}  // namespace scsim::sim
