#include <catch2/catch.hpp>

#include "tests/sim/router_views.h"

namespace scsim::sim {
namespace {

const std::vector<Span> kPrompt = {test::span(0, 0, 10)};

TEST_CASE("random takes every engine as often, whatever it is doing", "[sim][random]") {
  const auto router = test::router("random", {}, 5);
  auto views = test::idle_engines(4);
  views[2].running = 1000;
  std::vector<int> taken(4);
  for (int i = 0; i < 4000; ++i) ++taken[router->route(test::request_for(kPrompt), views)];
  // Binomial with mean 1,000 and standard deviation 27.
  for (const int count : taken) CHECK(std::abs(count - 1000) < 4 * 28);
}

}  // namespace
}  // namespace scsim::sim
