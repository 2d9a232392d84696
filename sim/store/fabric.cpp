#include "sim/store/fabric.h"

#include <algorithm>
#include <limits>
#include <map>

#include "traces/text.h"

namespace scsim::sim {
namespace {

using Scope = TierSettings::Scope;

constexpr double kInfinite = std::numeric_limits<double>::infinity();
constexpr double kHostNics = 2;  // of a DGX H200, beside those of its GPUs

std::string numbered(const std::string& name, std::size_t number) {
  return name + std::to_string(number);
}

}  // namespace

Expected<std::unique_ptr<Fabric>> Fabric::make(const Cluster& cluster) {
  std::unique_ptr<Fabric> fabric(new Fabric(cluster));
  fabric->hub_ = fabric->topology_.vertex("switch");
  fabric->place_engines();
  fabric->attach_tiers();
  for (const auto step : {&Fabric::add_links, &Fabric::join_nodes, &Fabric::find_failures}) {
    if (const auto done = ((*fabric).*step)(); !done) return done.error();
  }
  if (const auto whole = fabric->check_ways(); !whole) return whole.error();
  fabric->network_ = std::make_unique<Network>(fabric->topology_);
  return fabric;
}

void Fabric::both_ways(VertexId a, VertexId b, double there, double back, Duration latency,
                       double price_per_gb) {
  topology_.add_link(a, b, there, latency, price_per_gb);
  topology_.add_link(b, a, back, latency, price_per_gb);
}

void Fabric::place_engines() {
  std::uint32_t used = 0;  // GPUs of the last node
  for (const Pool& pool : cluster_.pools) {
    const auto per_node = static_cast<std::uint32_t>(pool.gpus_per_node);
    const auto gpus = static_cast<std::uint32_t>(pool.gpus_per_engine);
    // Engines follow one another without a gap: one that is larger than what is left of its node
    // begins there.
    std::uint32_t first = nodes_, offset = 0;
    if (pool.share_nodes && nodes_ > 0 && used + gpus <= per_node) {
      first = nodes_ - 1;
      offset = used;
    }
    for (std::uint32_t i = 0; i < static_cast<std::uint32_t>(pool.engines); ++i) {
      EngineAt engine{&pool, first + (offset + i * gpus) / per_node, 0, 0};
      engine.vertex = topology_.vertex(numbered("engine", engines_.size()));
      engine.host = topology_.vertex(numbered("node", engine.node));
      const double pcie = settings_.pcie_bytes_per_second > 0 ? settings_.pcie_bytes_per_second
                                                              : pool.gpu.host_bandwidth.value();
      if (pcie > 0) both_ways(engine.vertex, engine.host, pcie * gpus, settings_.pcie_latency);
      if (settings_.node == StoreSettings::Node::kDgxH200) {
        both_ways(engine.vertex, topology_.vertex(topology_.name(engine.host) + ".nvlink"),
                  settings_.nvlink_bytes_per_second * gpus, settings_.nvlink_latency);
      }
      nodes_ = engine.node + 1;
      used = (offset + i * gpus) % per_node + gpus;
      engines_.push_back(engine);
    }
  }
  linked_.resize(nodes_);
}

void Fabric::attach_tiers() {
  for (const TierSettings& tier : settings_.tiers) {
    std::vector<VertexId>& of_engine = tiers_.emplace_back();
    std::map<std::string, VertexId> made;
    for (const EngineAt& engine : engines_) {
      const std::string name =
          tier.scope == Scope::kEngine ? topology_.name(engine.vertex) + "." + tier.name
          : tier.scope == Scope::kNode ? topology_.name(engine.host) + "." + tier.name
                                       : tier.name;
      const auto [place, fresh] = made.try_emplace(name, 0);
      if (fresh) {
        place->second = topology_.vertex(name);
        both_ways(tier.scope == Scope::kCluster ? hub_ : engine.host, place->second,
                  tier.write_bytes_per_second, tier.read_bytes_per_second, tier.latency, 0);
      }
      of_engine.push_back(place->second);
    }
  }
}

Expected<void> Fabric::add_links() {
  std::vector<std::string> known;
  for (VertexId vertex = 0; vertex < topology_.num_vertices(); ++vertex)
    known.push_back(topology_.name(vertex));
  std::map<std::string, int> new_names;  // that the links bring, and how many of them
  for (const LinkSettings& link : settings_.links) {
    for (const std::string& end : {link.from, link.to}) {
      if (std::ranges::count(known, end) == 0) ++new_names[end];
    }
  }
  for (std::size_t i = 0; i < settings_.links.size(); ++i) {
    const LinkSettings& link = settings_.links[i];
    const std::string key = "network.links[" + std::to_string(i) + "]";
    if (link.from == link.to) return Error{key + ": from and to are both " + link.to};
    for (const std::string& end : {link.from, link.to}) {
      const auto added = new_names.find(end);
      if (added != new_names.end() && added->second == 1)
        return Error{key + ": nothing else is linked to it: " + unknown_name("vertex", end, known)};
      for (std::size_t node = 0; node < linked_.size(); ++node) {
        if (end == numbered("node", node)) linked_[node] = 1;
      }
    }
    both_ways(topology_.vertex(link.from), topology_.vertex(link.to), link.bytes_per_second,
              link.latency, link.price_per_gb);
  }
  return {};
}

// ---- between nodes ----

// Gives what it can send, in bytes per second.
double Fabric::attach_node(std::uint32_t node, VertexId to) {
  if (linked_[node]) return 0;
  const double nic =
      settings_.nic_bytes_per_second > 0 ? settings_.nic_bytes_per_second : kInfinite;
  const bool dgx = settings_.node == StoreSettings::Node::kDgxH200;
  const double host = dgx ? kHostNics * nic : nic;
  both_ways(topology_.vertex(numbered("node", node)), to, host, settings_.nic_latency,
            settings_.nic_price_per_gb);
  double all = host;
  for (const EngineAt& engine : engines_) {
    if (!dgx || engine.node != node) continue;
    const double own = nic * engine.pool->gpus_per_engine;
    both_ways(engine.vertex, to, own, settings_.nic_latency, settings_.nic_price_per_gb);
    all += own;
  }
  return all;
}

Expected<void> Fabric::join_nodes() {
  const FabricSettings& fabric = settings_.fabric;
  if (fabric.kind == FabricSettings::Kind::kRack) {
    join_racks(fabric.size);
  } else if (fabric.kind == FabricSettings::Kind::kFatTree) {
    const std::uint32_t room = fabric.size * fabric.size * fabric.size / 4;
    if (nodes_ > room) {
      std::uint32_t enough = fabric.size;
      while (enough * enough * enough / 4 < nodes_) enough += 2;
      return Error{"network.fabric: fat_tree(" + std::to_string(fabric.size) + ") has room for " +
                   std::to_string(room) + " nodes, and the cluster has " + std::to_string(nodes_) +
                   "; fat_tree(" + std::to_string(enough) + ") has enough"};
    }
    join_fat_tree(fabric.size);
  } else {
    for (std::uint32_t node = 0; node < nodes_; ++node) attach_node(node, hub_);
  }
  return {};
}

void Fabric::join_racks(std::uint32_t nodes_per_rack) {
  std::vector<VertexId> spines;
  for (std::uint32_t i = 0; i < settings_.fabric.spines; ++i) {
    spines.push_back(topology_.vertex(numbered("spine", i)));
    both_ways(spines.back(), hub_, kInfinite, {});
  }
  for (std::uint32_t first = 0, rack = 0; first < nodes_; first += nodes_per_rack, ++rack) {
    const VertexId leaf = topology_.vertex(numbered("rack", rack));
    double sent = 0;
    for (std::uint32_t node = first; node < std::min(first + nodes_per_rack, nodes_); ++node)
      sent += attach_node(node, leaf);
    const double up = sent / settings_.fabric.oversubscription / settings_.fabric.spines;
    for (const VertexId spine : spines) {
      if (up > 0) both_ways(leaf, spine, up, settings_.fabric.hop_latency);
    }
  }
}

void Fabric::join_fat_tree(std::uint32_t ports) {
  const std::uint32_t half = ports / 2;
  std::vector<VertexId> tops;
  for (std::uint32_t i = 0; i < half * half; ++i) {
    tops.push_back(topology_.vertex(numbered("core", i)));
    both_ways(tops.back(), hub_, kInfinite, {});
  }
  const Duration hop = settings_.fabric.hop_latency;
  for (std::uint32_t node = 0, pod = 0; node < nodes_; ++pod) {
    const std::string name = numbered("pod", pod);
    double all_up = 0;
    for (std::uint32_t e = 0; e < half && node < nodes_; ++e) {
      const VertexId edge = topology_.vertex(name + numbered(".edge", e));
      double sent = 0;
      for (std::uint32_t i = 0; i < half && node < nodes_; ++i) sent += attach_node(node++, edge);
      const double up = sent / settings_.fabric.oversubscription / half;
      all_up += up;
      for (std::uint32_t a = 0; a < half && up > 0; ++a)
        both_ways(edge, topology_.vertex(name + numbered(".upper", a)), up, hop);
    }
    for (std::uint32_t a = 0; a < half && all_up > 0; ++a) {
      const VertexId upper = topology_.vertex(name + numbered(".upper", a));
      for (std::uint32_t t = 0; t < half; ++t)
        both_ways(upper, tops[a * half + t], all_up / half, hop);
    }
  }
}

// ---- what may go wrong ----

Expected<void> Fabric::find_failures() {
  std::vector<std::string> known;
  for (VertexId vertex = 0; vertex < topology_.num_vertices(); ++vertex)
    known.push_back(topology_.name(vertex));
  for (std::size_t i = 0; i < settings_.link_failures.size(); ++i) {
    const LinkFailureSettings& given = settings_.link_failures[i];
    const std::string key = "network.failures[" + std::to_string(i) + "]";
    for (const auto& [name, end] : {std::pair(".from: ", given.from), std::pair(".to: ", given.to)})
      if (!topology_.find(end)) return Error{key + name + unknown_name("vertex", end, known)};
    const VertexId from = *topology_.find(given.from), to = *topology_.find(given.to);
    std::vector<LinkId> found;
    std::string others;
    for (LinkId id = 0; id < topology_.links().size(); ++id) {
      const Topology::Link& link = topology_.links()[id];
      if ((link.from == from && link.to == to) || (link.from == to && link.to == from))
        found.push_back(id);
      if (link.from == from) others += (others.empty() ? "" : ", ") + topology_.name(link.to);
    }
    if (found.size() < 2)
      return Error{key + ": no link joins " + given.from + " and " + given.to + "; " + given.from +
                   " is linked to " + others};
    failures_.push_back({found[0], found[1], TimePoint(given.at.ns()), given.lasts});
  }
  return {};
}

Expected<void> Fabric::check_ways() const {
  for (std::size_t e = 0; e < engines_.size(); ++e) {
    for (std::size_t level = 0; level < tiers_.size(); ++level) {
      const VertexId engine = engines_[e].vertex, at = tiers_[level][e];
      if (topology_.route(at, engine) != nullptr && topology_.route(engine, at) != nullptr)
        continue;
      return Error{"network.links: there is no way between " + topology_.name(engine) + " and " +
                   topology_.name(at)};
    }
  }
  return {};
}

}  // namespace scsim::sim
