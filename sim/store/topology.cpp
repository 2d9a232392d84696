// The best route is found in steps, each of which keeps all the ways that are still equally good:
// a single pass with a combined distance would be wrong, since the first part of the widest way
// need not be the widest way to where it ends.
#include "sim/store/topology.h"

#include <algorithm>
#include <boost/graph/breadth_first_search.hpp>
#include <boost/graph/dijkstra_shortest_paths.hpp>
#include <boost/graph/filtered_graph.hpp>
#include <boost/graph/reverse_graph.hpp>
#include <boost/property_map/function_property_map.hpp>
#include <functional>
#include <limits>

#include "traces/check.h"

namespace scsim::sim {
namespace {

constexpr double kInfinite = std::numeric_limits<double>::infinity();
constexpr std::int64_t kFar = std::numeric_limits<std::int64_t>::max();

}  // namespace

VertexId Topology::vertex(const std::string& name) {
  const auto [place, fresh] = by_name_.try_emplace(name, static_cast<VertexId>(names_.size()));
  if (fresh) {
    names_.push_back(name);
    boost::add_vertex(graph_);
    routes_.clear();
    hanging_.clear();
  }
  return place->second;
}

std::optional<VertexId> Topology::find(std::string_view name) const {
  const auto place = by_name_.find(name);
  return place == by_name_.end() ? std::nullopt : std::optional(place->second);
}

LinkId Topology::add_link(VertexId from, VertexId to, double bytes_per_second, Duration latency,
                          double price_per_gb) {
  SCSIM_CHECK_NE(from, to);
  SCSIM_CHECK_GT(bytes_per_second, 0.0);
  SCSIM_CHECK_GE(latency.ns(), 0);
  const LinkId id = static_cast<LinkId>(links_.size());
  links_.push_back({from, to, bytes_per_second, latency, price_per_gb});
  up_.push_back(1);
  boost::add_edge(from, to, id, graph_);
  routes_.clear();
  hanging_.clear();
  return id;
}

std::string Topology::link_name(LinkId link) const {
  return names_[links_[link].from] + " -> " + names_[links_[link].to];
}

// Leaves are taken off the graph, then what has become a leaf, and so on: of a star or tree nothing
// else remains.
void Topology::find_hanging() const {
  hanging_.assign(names_.size(), {});
  std::vector<std::uint32_t> links(names_.size());  // both ways, to what remains
  for (VertexId v = 0; v < names_.size(); ++v)
    links[v] =
        static_cast<std::uint32_t>(boost::out_degree(v, graph_) + boost::in_degree(v, graph_));
  std::vector<char> gone(names_.size());
  std::vector<VertexId> leaves;
  for (VertexId v = 0; v < names_.size(); ++v) {
    if (links[v] == 2) leaves.push_back(v);
  }
  std::vector<VertexId> taken;  // in the order of being taken off
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    const VertexId v = leaves[i];
    std::optional<LinkId> up, down;
    for (const auto& edge : boost::make_iterator_range(boost::out_edges(v, graph_)))
      if (!gone[links_[graph_[edge]].to]) up = graph_[edge];
    for (const auto& edge : boost::make_iterator_range(boost::in_edges(v, graph_)))
      if (!gone[links_[graph_[edge]].from]) down = graph_[edge];
    if (links[v] != 2 || !up || !down || links_[*up].to != links_[*down].from) continue;
    const VertexId from = links_[*up].to;
    hanging_[v] = {from, *up, *down, 1};
    gone[v] = 1;
    taken.push_back(v);
    links[from] -= 2;
    if (links[from] == 2) leaves.push_back(from);
  }
  for (std::size_t i = taken.size(); i-- > 0;) {
    Hanging& hanging = hanging_[taken[i]];
    hanging.depth = hanging_[hanging.from].depth + 1;
  }
}

// The way between two vertices that hang from the same one, if they do: there is no other.
std::optional<Route> Topology::only_route(VertexId from, VertexId to) const {
  if (hanging_.empty()) find_hanging();
  Route route{{}, {}, kInfinite};
  std::vector<LinkId> down;
  while (from != to) {
    const bool up = hanging_[from].depth >= hanging_[to].depth;
    const Hanging& hanging = hanging_[up ? from : to];
    if (hanging.depth == 0) return std::nullopt;
    (up ? route.links : down).push_back(up ? hanging.up : hanging.down);
    (up ? from : to) = hanging.from;
  }
  route.links.insert(route.links.end(), down.rbegin(), down.rend());
  for (const LinkId link : route.links) {
    route.latency = route.latency + links_[link].latency;
    route.bytes_per_second = std::min(route.bytes_per_second, links_[link].bytes_per_second);
  }
  return route;
}

void Topology::set_up(LinkId link, bool up) {
  if (up_[link] == static_cast<char>(up)) return;
  up_[link] = up;
  routes_.clear();
}

std::span<const Route* const> Topology::routes(VertexId from, VertexId to) const {
  const auto [place, fresh] = routes_.try_emplace({from, to});
  if (!fresh) return place->second;
  if (const auto only = only_route(from, to)) {
    if (std::ranges::all_of(only->links, [this](LinkId link) { return up_[link] != 0; }))
      place->second = {&*all_routes_.insert(*only).first};
  } else {
    place->second = find_routes(from, to);
  }
  return place->second;
}

const Route* Topology::route(VertexId from, VertexId to) const {
  const auto equal = routes(from, to);
  return equal.empty() ? nullptr : equal.front();
}

const Route* Topology::route(VertexId from, VertexId to, std::uint64_t flow) const {
  const auto equal = routes(from, to);
  return equal.empty() ? nullptr : one_of(equal, flow);
}

std::vector<const Route*> Topology::find_routes(VertexId from, VertexId to) const {
  using Edge = Graph::edge_descriptor;
  const std::function<bool(const Edge&)> is_up = [this](const Edge& edge) {
    return up_[graph_[edge]] != 0;
  };
  const boost::filtered_graph graph(graph_, is_up);

  std::vector<std::int64_t> latency(names_.size(), kFar);
  boost::dijkstra_shortest_paths(
      graph, from,
      boost::distance_map(latency.data())
          .weight_map(boost::make_function_property_map<Edge>(
              [this](const Edge& edge) { return links_[graph_[edge]].latency.ns(); })));
  if (latency[to] == kFar) return {};

  // Of the links on ways of least latency, those that make the widest way: with "the narrower of
  // two" for a sum and "wider" for shorter, that is a shortest path too.
  const std::function<bool(const Edge&)> least_latency = [&](const Edge& edge) {
    const Link& link = links_[graph_[edge]];
    return latency[link.from] != kFar && latency[link.from] + link.latency.ns() == latency[link.to];
  };
  const boost::filtered_graph quick(graph, least_latency);
  std::vector<double> width(names_.size(), 0);
  boost::dijkstra_shortest_paths(
      quick, from,
      boost::distance_map(width.data())
          .weight_map(boost::make_function_property_map<Edge>(
              [this](const Edge& edge) { return links_[graph_[edge]].bytes_per_second; }))
          .distance_compare(std::greater<>())
          .distance_combine([](double a, double b) { return std::min(a, b); })
          .distance_inf(0.0)
          .distance_zero(kInfinite));

  // Of those that are wide enough, how many links it takes from each vertex to the end.
  const std::function<bool(const Edge&)> wide_enough = [&](const Edge& edge) {
    return least_latency(edge) && links_[graph_[edge]].bytes_per_second >= width[to];
  };
  const boost::filtered_graph wide(graph, wide_enough);
  std::vector<std::int64_t> hops(names_.size(), kFar);
  hops[to] = 0;
  boost::breadth_first_search(boost::make_reverse_graph(wide), to,
                              boost::visitor(boost::make_bfs_visitor(
                                  boost::record_distances(hops.data(), boost::on_tree_edge()))));

  // All of them, link by link: each step leads one nearer, so none of it is in vain.
  std::vector<const Route*> found;
  std::vector<LinkId> way;
  const std::function<void(VertexId)> walk = [&](VertexId at) {
    if (found.size() == kMaxEqualRoutes) return;
    if (at == to) {
      found.push_back(&*all_routes_.insert(Route{way, Duration(latency[to]), width[to]}).first);
      return;
    }
    std::vector<LinkId> nearer;
    for (const auto& edge : boost::make_iterator_range(boost::out_edges(at, wide))) {
      const std::int64_t left = hops[links_[graph_[edge]].to];
      if (left != kFar && left + 1 == hops[at]) nearer.push_back(graph_[edge]);
    }
    std::ranges::sort(nearer);
    for (const LinkId link : nearer) {
      way.push_back(link);
      walk(links_[link].to);
      way.pop_back();
    }
  };
  walk(from);
  SCSIM_CHECK(!found.empty());
  return found;
}

}  // namespace scsim::sim
