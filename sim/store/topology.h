// The cluster as a graph: engines, hosts, switches and tiers, joined by links of a bandwidth and a
// latency in each direction (Boost.Graph).
#pragma once

#include <boost/graph/adjacency_list.hpp>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "traces/time.h"

namespace scsim::sim {

using VertexId = std::uint32_t;
using LinkId = std::uint32_t;

// The way from one vertex to another. An empty one, from a vertex to itself, takes no time.
struct Route {
  std::vector<LinkId> links;    // in the order they are passed
  Duration latency{};           // of all
  double bytes_per_second = 0;  // of the narrowest; infinite without links
};

class Topology {
 public:
  struct Link {
    VertexId from, to;
    double bytes_per_second;  // may be infinite
    Duration latency;
    double price_per_gb = 0;  // dollars for 10^9 bytes
  };

  // The vertex of that name, a new one if there is none.
  VertexId vertex(const std::string& name);
  std::optional<VertexId> find(std::string_view name) const;
  // One direction. REQUIRES: the ends differ, bandwidth above 0, latency at least 0.
  LinkId add_link(VertexId from, VertexId to, double bytes_per_second, Duration latency,
                  double price_per_gb = 0);

  const std::vector<Link>& links() const { return links_; }
  VertexId num_vertices() const { return static_cast<VertexId>(names_.size()); }
  const std::string& name(VertexId vertex) const { return names_[vertex]; }
  std::string link_name(LinkId link) const;

  // The way of least latency; of those the one whose narrowest link is widest; of those the one of
  // fewest links; of those the one whose links, from the first on, were added first. None if there
  // is no way. It is valid until a vertex or link is added. Remembered; the first call costs
  // O(links log vertices), or as much as the way is long where there is only one.
  const Route* route(VertexId from, VertexId to) const;

 private:
  using Graph = boost::adjacency_list<boost::vecS, boost::vecS, boost::bidirectionalS,
                                      boost::no_property, LinkId>;
  // Where a vertex hangs from the rest of the graph by one link each way, the rest.
  struct Hanging {
    VertexId from;
    LinkId up, down;
    std::uint32_t depth = 0;  // links to what does not hang
  };
  std::optional<Route> find_route(VertexId from, VertexId to) const;
  void find_hanging() const;
  std::optional<Route> only_route(VertexId from, VertexId to) const;

  Graph graph_;
  std::vector<std::string> names_;
  std::map<std::string, VertexId, std::less<>> by_name_;
  std::vector<Link> links_;
  mutable std::map<std::pair<VertexId, VertexId>, std::optional<Route>> routes_;
  mutable std::vector<Hanging> hanging_;  // by vertex; made with the first route
};

}  // namespace scsim::sim
