#include "sim/store/topology.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <limits>
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
    if (topology.links()[link].from != at || seen[topology.links()[link].to]) continue;
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

std::optional<Route> best_way(const Topology& topology, VertexId from, VertexId to,
                              VertexId places) {
  std::vector<bool> seen(places);
  std::vector<LinkId> way;
  std::vector<std::vector<LinkId>> ways;
  all_ways(topology, from, to, seen, way, ways);
  std::optional<Route> best;
  for (const std::vector<LinkId>& one : ways) {
    const Route route = as_route(topology, one);
    const auto order = [](const Route& r) {
      return std::tuple(r.latency, -r.bytes_per_second, r.links.size(), r.links);
    };
    if (!best || order(route) < order(*best)) best = route;
  }
  return best;
}

TEST_CASE("a route is the best of all ways there are", "[sim][topology]") {
  std::size_t found = 0, unreachable = 0, decided_by_width = 0;
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
    for (VertexId from = 0; from < places; ++from) {
      for (VertexId to = 0; to < places; ++to) {
        const std::optional<Route> best = best_way(topology, from, to, places);
        const Route* route = topology.route(from, to);
        CAPTURE(trial, from, to);
        REQUIRE((route != nullptr) == best.has_value());
        if (!best) {
          ++unreachable;
          continue;
        }
        ++found;
        CHECK(route->links == best->links);
        CHECK(route->latency == best->latency);
        CHECK(route->bytes_per_second == best->bytes_per_second);
        CHECK(topology.route(from, to) == route);
        if (best->links.size() > 1) ++decided_by_width;
      }
    }
  }
  CHECK(found > 1000);
  CHECK(unreachable > 1000);
  CHECK(decided_by_width > 200);
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
