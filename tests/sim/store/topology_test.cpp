#include "sim/store/topology.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <limits>
#include <map>
#include <tuple>

#include "traces/rng.h"

namespace scsim::sim {
namespace {

constexpr double kInfinite = std::numeric_limits<double>::infinity();

// All ways without a place twice, one by one.
void all_ways(const Topology& topology, VertexId at, VertexId to, std::vector<bool>& seen,
              std::vector<LinkId>& way, std::vector<std::vector<LinkId>>& ways) {
  if (at == to) {
    ways.push_back(way);
    return;
  }
  seen[at] = true;
  for (LinkId link = 0; link < topology.links().size(); ++link) {
    if (topology.links()[link].from != at || seen[topology.links()[link].to] || !topology.up(link))
      continue;
    way.push_back(link);
    all_ways(topology, topology.links()[link].to, to, seen, way, ways);
    way.pop_back();
  }
  seen[at] = false;
}

Route as_route(const Topology& topology, const std::vector<LinkId>& way) {
  Route route{way, {}, kInfinite};
  for (const LinkId link : way) {
    route.latency += topology.links()[link].latency;
    route.bytes_per_second =
        std::min(route.bytes_per_second, topology.links()[link].bytes_per_second);
  }
  return route;
}

// The best of them, all that are equally good, in the order of their links.
std::vector<Route> best_ways(const Topology& topology, VertexId from, VertexId to,
                             VertexId places) {
  std::vector<bool> seen(places);
  std::vector<LinkId> way;
  std::vector<std::vector<LinkId>> ways;
  all_ways(topology, from, to, seen, way, ways);
  const auto worth = [](const Route& r) {
    return std::tuple(r.latency, -r.bytes_per_second, r.links.size());
  };
  std::vector<Route> best;
  for (const std::vector<LinkId>& one : ways) {
    const Route route = as_route(topology, one);
    if (!best.empty() && worth(route) > worth(best[0])) continue;
    if (!best.empty() && worth(route) < worth(best[0])) best.clear();
    best.push_back(route);
  }
  std::ranges::sort(best, {}, &Route::links);
  return best;
}

TEST_CASE("routes are the best of all ways there are, also while links are down",
          "[sim][topology]") {
  std::size_t found = 0, unreachable = 0, decided_by_width = 0, several = 0;
  for (std::uint64_t trial = 0; trial < 400; ++trial) {
    Rng rng(trial, "test.topology");
    Topology topology;
    const auto places = static_cast<VertexId>(2 + rng.below(5));
    for (VertexId v = 0; v < places; ++v) topology.vertex("v" + std::to_string(v));
    const std::uint64_t links = rng.below(14);
    // Few kinds of links, some of no latency, so that ways are often equally good.
    const std::uint64_t kinds = 1 + rng.below(3);
    for (std::uint64_t i = 0; i < links; ++i) {
      const auto from = static_cast<VertexId>(rng.below(places));
      const auto to = static_cast<VertexId>(rng.below(places));
      if (from == to) continue;
      const auto add = [&](VertexId a, VertexId b) {
        topology.add_link(a, b, rng.chance(0.2) ? kInfinite : 1e9 * (1 + rng.below(kinds)),
                          Duration(static_cast<std::int64_t>(rng.below(kinds) * 1000)));
      };
      add(from, to);
      if (trial % 2 == 1) add(to, from);  // so that places hang from others by one link each way
    }
    for (int round = 0; round < 3; ++round) {
      for (VertexId from = 0; from < places; ++from) {
        for (VertexId to = 0; to < places; ++to) {
          const std::vector<Route> best = best_ways(topology, from, to, places);
          const auto routes = topology.routes(from, to);
          const Route* route = topology.route(from, to);
          CAPTURE(trial, round, from, to);
          REQUIRE(routes.size() == std::min(best.size(), Topology::kMaxEqualRoutes));
          REQUIRE((route != nullptr) == !best.empty());
          if (best.empty()) {
            ++unreachable;
            continue;
          }
          ++found;
          CHECK(route == routes[0]);
          for (std::size_t i = 0; i < routes.size(); ++i) {
            CHECK(routes[i]->links == best[i].links);
            CHECK(routes[i]->latency == best[i].latency);
            CHECK(routes[i]->bytes_per_second == best[i].bytes_per_second);
          }
          CHECK(std::ranges::count(routes, topology.route(from, to, trial)) == 1);
          if (routes.size() > 1) ++several;
          if (best[0].links.size() > 1) ++decided_by_width;
        }
      }
      for (LinkId link = 0; link < topology.links().size(); ++link)
        topology.set_up(link, round == 1 || rng.chance(0.7));
    }
  }
  CHECK(found > 1000);
  CHECK(unreachable > 1000);
  CHECK(decided_by_width > 200);
  CHECK(several > 200);
}

// Two ways of one latency, 1 wide in one piece and 2 wide in two pieces; the second piece of the
// second is 5 wide, and so is another way to where it begins. A search that keeps only the widest
// way to each place would take three links.
TEST_CASE("of equally wide ways the one of fewest links is taken", "[sim][topology]") {
  Topology topology;
  const VertexId a = topology.vertex("a"), b = topology.vertex("b"), c = topology.vertex("c"),
                 d = topology.vertex("d");
  topology.add_link(a, c, 5e9, {});
  topology.add_link(c, b, 5e9, {});
  const LinkId direct = topology.add_link(a, b, 3e9, {});
  const LinkId last = topology.add_link(b, d, 2e9, {});
  REQUIRE(topology.route(a, d) != nullptr);
  CHECK(topology.route(a, d)->links == std::vector<LinkId>{direct, last});
  CHECK(topology.route(a, d)->bytes_per_second == 2e9);
}

// 16 ways of two links between a and b.
TEST_CASE("a flow has one of the equal routes, and flows spread evenly over them",
          "[sim][topology]") {
  Topology topology, same;
  for (Topology* one : {&topology, &same}) {
    const VertexId a = one->vertex("a"), b = one->vertex("b");
    for (int i = 0; i < 16; ++i) {
      const VertexId middle = one->vertex("spine" + std::to_string(i));
      one->add_link(a, middle, 50e9, Duration(500));
      one->add_link(middle, b, 50e9, Duration(500));
    }
  }
  std::map<const Route*, int> flows;
  for (std::uint64_t flow = 0; flow < 16'000; ++flow) {
    const Route* route = topology.route(0, 1, flow);
    CHECK(topology.route(0, 1, flow) == route);
    CHECK(same.route(0, 1, flow)->links == route->links);
    ++flows[route];
  }
  REQUIRE(flows.size() == 16);
  // Each has 1,000 of 16,000 with a standard deviation of sqrt(1000 * 15 / 16) = 30.6.
  for (const auto& [route, count] : flows) CHECK(std::abs(count - 1'000) < 4 * 30.6);
  // Flows of a link that is down are on the others; a route that comes back is the one it was.
  const Route* lost = topology.route(0, 1, 7);
  topology.set_up(lost->links[0], false);
  CHECK(topology.routes(0, 1).size() == 15);
  CHECK(std::ranges::count(topology.routes(0, 1), lost) == 0);
  topology.set_up(lost->links[0], true);
  CHECK(topology.route(0, 1, 7) == lost);
}

TEST_CASE("places and links have names, and a way to where one is takes nothing",
          "[sim][topology]") {
  Topology topology;
  const VertexId host = topology.vertex("node0.host"), nic = topology.vertex("node0.nic");
  const LinkId link = topology.add_link(host, nic, 50e9, Duration(2'000));
  CHECK(topology.vertex("node0.host") == host);
  CHECK(topology.find("node0.nic") == nic);
  CHECK_FALSE(topology.find("node1.nic"));
  CHECK(topology.name(nic) == "node0.nic");
  CHECK(topology.link_name(link) == "node0.host -> node0.nic");
  REQUIRE(topology.route(host, host) != nullptr);
  CHECK(topology.route(host, host)->links.empty());
  CHECK(topology.route(host, host)->latency == Duration(0));
  CHECK(topology.route(host, host)->bytes_per_second == kInfinite);
  CHECK(topology.route(nic, host) == nullptr);
  CHECK(topology.route(nic, host) == nullptr);  // asked again
  topology.add_link(nic, host, 50e9, Duration(2'000));
  CHECK(topology.route(nic, host) != nullptr);
}

}  // namespace
}  // namespace scsim::sim
