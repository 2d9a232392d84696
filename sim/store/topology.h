// The cluster as a graph: engines, hosts, switches and tiers, joined by links of a bandwidth and a
// latency in each direction (Boost.Graph). A link can be down for a time; ways avoid it then.
#pragma once

#include <boost/graph/adjacency_list.hpp>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "traces/hash.h"
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

  // A link that is down is on no route found from then on. Links begin up.
  void set_up(LinkId link, bool up);
  bool up(LinkId link) const { return up_[link]; }

  const std::vector<Link>& links() const { return links_; }
  VertexId num_vertices() const { return static_cast<VertexId>(names_.size()); }
  const std::string& name(VertexId vertex) const { return names_[vertex]; }
  std::string link_name(LinkId link) const;

  // The ways of least latency; of those the ones whose narrowest link is widest; of those the ones
  // of fewest links; ordered by when their links, from the first on, were added; at most
  // kMaxEqualRoutes. None if there is no way. The list is valid until a vertex or link is added or
  // a link goes up or down, the routes as long as the topology. Remembered; the first call
  // costs O(links log vertices), or as much as the way is long where there is only one.
  static constexpr std::size_t kMaxEqualRoutes = 64;
  std::span<const Route* const> routes(VertexId from, VertexId to) const;
  // The first of them.
  const Route* route(VertexId from, VertexId to) const;
  // Of several, the one that a hash of the number of a flow chooses, as switches do (equal-cost
  // multi-path, RFC 2992): flows spread, one flow stays on its way. REQUIRES: there is one.
  static const Route* one_of(std::span<const Route* const> equal, std::uint64_t flow) {
    return equal.size() == 1 ? equal[0] : equal[scramble(flow) % equal.size()];
  }
  // Of routes().
  const Route* route(VertexId from, VertexId to, std::uint64_t flow) const;

 private:
  using Graph = boost::adjacency_list<boost::vecS, boost::vecS, boost::bidirectionalS,
                                      boost::no_property, LinkId>;
  // Where a vertex hangs from the rest of the graph by one link each way, the rest.
  struct Hanging {
    VertexId from;
    LinkId up, down;
    std::uint32_t depth = 0;  // links to what does not hang
  };
  void find_hanging() const;
  std::optional<Route> only_route(VertexId from, VertexId to) const;
  struct ByLinks {
    bool operator()(const Route& a, const Route& b) const { return a.links < b.links; }
  };
  std::vector<const Route*> find_routes(VertexId from, VertexId to) const;

  Graph graph_;
  std::vector<std::string> names_;
  std::map<std::string, VertexId, std::less<>> by_name_;
  std::vector<Link> links_;
  std::vector<char> up_;
  mutable std::map<std::pair<VertexId, VertexId>, std::vector<const Route*>> routes_;
  mutable std::set<Route, ByLinks> all_routes_;  // ever found
  mutable std::vector<Hanging> hanging_;         // by vertex; made with the first route
};

}  // namespace scsim::sim
