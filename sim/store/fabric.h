// The cluster's graph, made of its configuration: which engine is in which node, what is inside a
// node, where tiers are attached, and what is between nodes.
//
//   inside a node   `host`      each engine at the node's host by PCIe, the host at the fabric by a
//                               NIC
//                   `dgx_h200`  as NVIDIA's data sheet has it: engines also at an NVLink switch of
//                               450 GB/s a GPU, and at the fabric by a NIC of 50 GB/s for each GPU;
//                               the host by two
//   between nodes   `switch`    one for all
//                   `rack(n)`   n nodes at a rack's switch, the racks at spines
//                   `fat_tree(k)`  of switches of k ports: k pods of k/2 lowest and k/2 upper
//                               switches, (k/2)^2 on top, room for k^3/4 nodes (Al-Fares et al., A
//                               Scalable, Commodity Data Center Network Architecture, SIGCOMM 2008)
//
// Tiers of the whole cluster are at the vertex "switch", which is that of all nodes, or stands
// behind all spines or tops and limits nothing. Links that the configuration gives a node to other
// things than its engines and tiers take the place of those the fabric would give it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "sim/cluster.h"
#include "sim/store/network.h"
#include "sim/store/topology.h"

namespace scsim::sim {

class Fabric {
 public:
  struct EngineAt {
    const Pool* pool;
    std::uint32_t node;
    VertexId vertex, host;
  };
  // Both directions of a link that goes down.
  struct Failure {
    LinkId there, back;
    TimePoint at;
    Duration lasts;  // 0: for good
  };

  // Errors name the key of the configuration.
  static Expected<std::unique_ptr<Fabric>> make(const Cluster& cluster);

  const std::vector<EngineAt>& engines() const { return engines_; }
  std::uint32_t num_nodes() const { return nodes_; }
  // The instance of a tier that the engine reaches.
  VertexId tier(std::size_t level, std::size_t engine) const { return tiers_[level][engine]; }
  const std::vector<Failure>& failures() const { return failures_; }

  const Topology& topology() const { return topology_; }
  Network& network() { return *network_; }
  const Network& network() const { return *network_; }

 private:
  explicit Fabric(const Cluster& cluster) : cluster_(cluster), settings_(cluster.store) {}
  void both_ways(VertexId a, VertexId b, double there, double back, Duration latency,
                 double price_per_gb);
  void both_ways(VertexId a, VertexId b, double bytes_per_second, Duration latency,
                 double price_per_gb = 0) {
    both_ways(a, b, bytes_per_second, bytes_per_second, latency, price_per_gb);
  }
  void place_engines();
  void attach_tiers();
  Expected<void> add_links();
  Expected<void> join_nodes();
  void join_racks(std::uint32_t nodes_per_rack);
  void join_fat_tree(std::uint32_t ports);
  double attach_node(std::uint32_t node, VertexId to);
  Expected<void> find_failures();
  Expected<void> check_ways() const;

  const Cluster& cluster_;
  const StoreSettings& settings_;
  Topology topology_;
  std::unique_ptr<Network> network_;
  VertexId hub_ = 0;
  std::uint32_t nodes_ = 0;
  std::vector<EngineAt> engines_;
  std::vector<std::vector<VertexId>> tiers_;
  std::vector<char> linked_;  // nodes with links of their own to the rest
  std::vector<Failure> failures_;
};

}  // namespace scsim::sim
