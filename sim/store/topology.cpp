#include "sim/store/topology.h"

#include <algorithm>
#include <boost/graph/dijkstra_shortest_paths.hpp>
#include <limits>

#include "traces/check.h"

namespace scsim::sim {
namespace {

struct Distance {
  std::int64_t latency_ns = 0;
  std::int64_t links = 0;
  auto operator<=>(const Distance&) const = default;
};

Distance operator+(const Distance& a, const Distance& b) {
  return {a.latency_ns + b.latency_ns, a.links + b.links};
}

constexpr Distance kFar{std::numeric_limits<std::int64_t>::max(), 0};

}  // namespace

VertexId Topology::vertex(const std::string& name) {
  const auto [place, fresh] = by_name_.try_emplace(name, static_cast<VertexId>(names_.size()));
  if (fresh) {
    names_.push_back(name);
    boost::add_vertex(graph_);
    routes_.clear();
  }
  return place->second;
}

std::optional<VertexId> Topology::find(std::string_view name) const {
  const auto place = by_name_.find(name);
  return place == by_name_.end() ? std::nullopt : std::optional(place->second);
}

LinkId Topology::add_link(VertexId from, VertexId to, double bytes_per_second, Duration latency) {
  SCSIM_CHECK_GT(bytes_per_second, 0);
  const LinkId id = static_cast<LinkId>(links_.size());
  links_.push_back({from, to, bytes_per_second, latency});
  boost::add_edge(from, to, id, graph_);
  routes_.clear();
  return id;
}

std::string Topology::link_name(LinkId link) const {
  return names_[links_[link].from] + " -> " + names_[links_[link].to];
}

const Route* Topology::route(VertexId from, VertexId to) const {
  const auto [place, fresh] = routes_.try_emplace({from, to});
  if (!fresh) return place->second ? &*place->second : nullptr;
  std::vector<Distance> weight;
  for (const Link& link : links_) weight.push_back({link.latency.ns(), 1});
  std::vector<VertexId> before(names_.size());
  std::vector<Distance> distance(names_.size());
  const auto plus = [](const Distance& a, const Distance& b) {
    return a == kFar || b == kFar ? kFar : a + b;
  };
  boost::dijkstra_shortest_paths(graph_, from,
                                 boost::predecessor_map(before.data())
                                     .distance_map(distance.data())
                                     .weight_map(boost::make_iterator_property_map(
                                         weight.data(), boost::get(boost::edge_index, graph_)))
                                     .distance_compare(std::less<>())
                                     .distance_combine(plus)
                                     .distance_inf(kFar)
                                     .distance_zero(Distance{}));
  if (distance[to] == kFar) return nullptr;
  Route route;
  for (VertexId at = to; at != from; at = before[at]) {
    // Of parallel links the quickest, the first of them.
    std::optional<LinkId> best;
    for (LinkId link = 0; link < links_.size(); ++link) {
      if (links_[link].from != before[at] || links_[link].to != at) continue;
      if (!best || links_[link].latency < links_[*best].latency) best = link;
    }
    route.links.push_back(*best);
    route.latency += links_[*best].latency;
  }
  std::ranges::reverse(route.links);
  place->second = std::move(route);
  return &*place->second;
}

}  // namespace scsim::sim
