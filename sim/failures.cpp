#include "sim/failures.h"

#include <algorithm>
#include <map>

#include "sim/cluster.h"
#include "traces/proto/cluster.pb.h"
#include "traces/text.h"

namespace scsim::sim {
namespace {

Duration duration(std::uint64_t ns) { return Duration(static_cast<std::int64_t>(ns)); }

}  // namespace

std::vector<Component> components_of(const Cluster& cluster) {
  using Scope = TierSettings::Scope;
  std::vector<Component> engines, nodes, tiers;
  std::vector<std::size_t> node_of;
  std::size_t first_node = 0;
  for (const Pool& pool : cluster.pools) {
    for (int i = 0; i < pool.engines; ++i) {
      const auto engine = static_cast<std::uint32_t>(engines.size());
      const std::size_t node =
          first_node + static_cast<std::size_t>(i * pool.gpus_per_engine / pool.gpus_per_node);
      engines.push_back({"engine", "engine" + std::to_string(engine), {engine}, {}});
      node_of.push_back(node);
      if (node == nodes.size()) nodes.push_back({"node", "node" + std::to_string(node), {}, {}});
      nodes[node].engines.push_back(engine);
    }
    first_node = nodes.size();
  }
  std::map<std::string, std::int32_t> made;
  for (const TierSettings& tier : cluster.store.tiers) {
    for (std::size_t e = 0; e < engines.size(); ++e) {
      Component& at = tier.scope == Scope::kEngine ? engines[e] : nodes[node_of[e]];
      const std::string name =
          tier.scope == Scope::kCluster ? tier.name : at.which + "." + tier.name;
      const auto id = static_cast<std::int32_t>(made.size());
      if (!made.try_emplace(name, id).second) continue;
      tiers.push_back({"tier", name, {}, {id}});
      if (tier.scope == Scope::kCluster) continue;
      at.tiers.push_back(id);
      if (tier.scope == Scope::kEngine) nodes[node_of[e]].tiers.push_back(id);
    }
  }
  engines.insert(engines.end(), nodes.begin(), nodes.end());
  engines.insert(engines.end(), tiers.begin(), tiers.end());
  return engines;
}

Expected<FailureSettings> resolve_failures(const proto::FailuresConfig& config,
                                           const Cluster& cluster) {
  FailureSettings settings;
  settings.retries = static_cast<int>(config.retries());
  settings.backoff = duration(config.backoff_ns());
  const std::vector<Component> components = components_of(cluster);
  const auto known = [&](const std::string& what) {
    std::vector<std::string> names;
    for (const Component& component : components)
      if (component.what == what) names.push_back(component.which);
    return names;
  };
  for (int i = 0; i < config.events_size(); ++i) {
    const proto::FailureConfig& event = config.events(i);
    const std::vector<std::string> names = known(event.what());
    if (std::ranges::find(names, event.which()) == names.end())
      return Error{"events[" + std::to_string(i) +
                   "].which: " + unknown_name(event.what(), event.which(), names)};
    settings.events.push_back(
        {event.what(), event.which(), duration(event.at_ns()), duration(event.for_ns())});
  }
  for (int i = 0; i < config.rates_size(); ++i) {
    const proto::FailureRateConfig& rate = config.rates(i);
    if (known(rate.what()).empty())
      return Error{"rates[" + std::to_string(i) + "].what: the cluster has no " + rate.what()};
    settings.rates.push_back({rate.what(), duration(rate.mtbf_ns()), duration(rate.mttr_ns())});
  }
  return settings;
}

FailureDraw::FailureDraw(std::uint64_t seed, const FailureSettings::Rate& rate,
                         const std::string& which)
    : rng_(seed, "sim.failures." + rate.what + "." + which), mtbf_(rate.mtbf), mttr_(rate.mttr) {}

Duration FailureDraw::draw(Duration mean) {
  const double ns = rng_.exponential(static_cast<double>(mean.ns()));
  return Duration(std::max<std::int64_t>(1, static_cast<std::int64_t>(std::min(ns, 4e18))));
}
Duration FailureDraw::works() { return draw(mtbf_); }
Duration FailureDraw::broken() { return draw(mttr_); }

}  // namespace scsim::sim
