#include "sim/store/store_settings.h"

#include <algorithm>
#include <charconv>
#include <map>

#include "traces/proto/cluster.pb.h"
#include "traces/result.h"
#include "traces/text.h"

namespace scsim::sim {
namespace {

Duration duration(std::uint64_t ns) { return Duration(static_cast<std::int64_t>(ns)); }

// What is assumed of media whose speed the configuration leaves open, per direction.
struct Medium {
  double read, write;
  std::string source;
};

const std::map<std::string, Medium>& known_media() {
  static const std::map<std::string, Medium> media = {
      {"dram",
       {307.2e9, 307.2e9, "eight channels of DDR5-4800, the peak of one socket's data sheet"}},
      {"nvme", {6.9e9, 4.1e9, "one Samsung PM9A3 of 3.84 TB, its data sheet"}},
  };
  return media;
}

Expected<void> resolve_bandwidth(proto::TierConfig& tier, std::vector<std::string>& honesty) {
  if (tier.read_bandwidth() > 0 && tier.write_bandwidth() > 0) return {};
  const auto medium = known_media().find(tier.medium());
  if (medium == known_media().end()) {
    return Error{std::string(tier.read_bandwidth() > 0 ? "write_bandwidth" : "read_bandwidth") +
                 ": is needed of a " + tier.medium() + " tier"};
  }
  if (tier.read_bandwidth() == 0) tier.set_read_bandwidth(medium->second.read);
  if (tier.write_bandwidth() == 0) tier.set_write_bandwidth(medium->second.write);
  honesty.push_back("assumed: bandwidth of tier " + tier.name() + ": " + medium->second.source);
  return {};
}

Expected<TierSettings> resolve_tier(proto::TierConfig& config, std::vector<std::string>& honesty) {
  using Scope = TierSettings::Scope;
  if (config.name().empty()) config.set_name(config.medium());
  if (config.scope().empty()) config.set_scope(config.medium() == "remote" ? "cluster" : "node");
  if (config.medium() == "remote" && config.scope() != "cluster") {
    return Error{"scope: a remote tier is one for the whole cluster"};
  }
  if (config.medium() != "remote" && config.scope() == "cluster") {
    return Error{"scope: " + config.medium() +
                 " is attached to a node; a tier of the whole cluster has medium: remote"};
  }
  if (const auto bandwidth = resolve_bandwidth(config, honesty); !bandwidth)
    return bandwidth.error();

  TierSettings tier;
  tier.name = config.name();
  tier.medium = config.medium();
  tier.scope = config.scope() == "engine" ? Scope::kEngine
               : config.scope() == "node" ? Scope::kNode
                                          : Scope::kCluster;
  tier.capacity = static_cast<std::int64_t>(config.capacity());
  tier.read_bytes_per_second = config.read_bandwidth();
  tier.write_bytes_per_second = config.write_bandwidth();
  tier.latency = duration(config.latency_ns());
  PolicyParameters parameters;
  for (const auto& [key, value] : config.eviction_parameters()) parameters[key] = value;
  auto eviction = find_eviction(config.eviction(), parameters);
  if (!eviction) return Error{"eviction: " + eviction.error().message};
  if (eviction->entry->oracle) {
    return Error{"eviction: " + config.eviction() +
                 " knows the future; only `scsim cache` can tell it"};
  }
  tier.eviction = *std::move(eviction);
  tier.write_back = config.write() == "back";
  tier.exclusive = config.inclusion() == "exclusive";
  tier.used_again = config.admission() == "used_again";
  tier.promote = config.promote();
  tier.prefetch = config.prefetch() == "session";
  tier.ttl = duration(config.ttl_ns());
  if (config.has_codec()) {
    const proto::CodecConfig& codec = config.codec();
    tier.codec = {codec.name(), codec.ratio(), codec.encode_bandwidth(), codec.decode_bandwidth(),
                  codec.lossy()};
    if (codec.lossy()) {
      honesty.push_back("accuracy unknown: codec " + codec.name() + " of tier " + tier.name +
                        " is lossy, and nobody measured what that does to answers");
    }
  }
  tier.price_per_gib_hour = config.price_per_gib_hour();
  if (config.price_per_gb_month() > 0) {
    if (tier.price_per_gib_hour > 0)
      return Error{"price_per_gb_month: price_per_gib_hour says it already"};
    constexpr double kGibInGb = 1.073741824, kHoursAMonth = 730;
    tier.price_per_gib_hour = config.price_per_gb_month() * kGibInGb / kHoursAMonth;
  }
  return tier;
}

// "switch", "rack(n)" or "fat_tree(k)".
Expected<FabricSettings> resolve_fabric(const proto::NetworkConfig& network) {
  using Kind = FabricSettings::Kind;
  FabricSettings fabric;
  fabric.spines = network.spines();
  fabric.oversubscription = network.oversubscription();
  fabric.hop_latency = duration(network.hop_latency_ns());
  const std::string& text = network.fabric();
  const std::size_t open = text.find('(');
  const std::string name = text.substr(0, open);
  if (text == "switch") return fabric;
  if (name != "rack" && name != "fat_tree") {
    static const std::vector<std::string> kKnown = {"switch", "rack", "fat_tree"};
    return Error{unknown_name("fabric", name, kKnown) + "; such as switch, rack(8) or fat_tree(4)"};
  }
  fabric.kind = name == "rack" ? Kind::kRack : Kind::kFatTree;
  const std::string size = open == std::string::npos || text.back() != ')'
                               ? ""
                               : text.substr(open + 1, text.size() - open - 2);
  const auto [end, fault] = std::from_chars(size.data(), size.data() + size.size(), fabric.size);
  const bool number = fault == std::errc() && end == size.data() + size.size();
  if (fabric.kind == Kind::kRack && (!number || fabric.size < 1 || fabric.size > 4096))
    return Error{"\"" + text + "\" is not rack(n) with 1 to 4,096 nodes"};
  if (fabric.kind == Kind::kFatTree &&
      (!number || fabric.size < 2 || fabric.size > 64 || fabric.size % 2 != 0))
    return Error{"\"" + text + "\" is not fat_tree(k) with an even number k of ports from 2 to 64"};
  return fabric;
}

Expected<TenantSettings> resolve_tenant(const proto::TenantConfig& config,
                                        const std::vector<TierSettings>& tiers) {
  TenantSettings tenant{
      config.name(), config.isolated(), config.share_group(), config.method(), {}};
  tenant.weight = config.weight();
  tenant.max_requests = static_cast<std::int64_t>(config.max_requests());
  if (config.isolated() && !config.share_group().empty()) {
    return Error{"share_group: an isolated tenant shares with nobody"};
  }
  std::vector<std::string> names = {"hbm"};
  for (const TierSettings& tier : tiers) names.push_back(tier.name);
  for (int i = 0; i < config.limits_size(); ++i) {
    const proto::TenantLimitConfig& given = config.limits(i);
    const std::string key = "limits[" + std::to_string(i) + "].";
    const auto place = std::ranges::find(names, given.tier());
    if (place == names.end())
      return Error{key + "tier: " + unknown_name("tier", given.tier(), names)};
    TenantSettings::Limit limit;
    limit.tier = static_cast<int>(place - names.begin()) - 1;
    if (given.quota() > 0) limit.quota = static_cast<std::int64_t>(given.quota());
    limit.guarantee = static_cast<std::int64_t>(given.guarantee());
    if (limit.quota && *limit.quota < limit.guarantee) {
      return Error{key + "guarantee: " + format_bytes(static_cast<double>(limit.guarantee)) +
                   " is more than the quota"};
    }
    for (const TenantSettings::Limit& other : tenant.limits) {
      if (other.tier == limit.tier) return Error{key + "tier: " + given.tier() + " is there twice"};
    }
    tenant.limits.push_back(limit);
  }
  if (tenant.hbm() != nullptr && !tenant.isolated) {
    return Error{
        "isolated: a tenant with a limit in hbm has to be, so that its blocks can be told "
        "from those of others"};
  }
  return tenant;
}

Expected<void> check_guarantees(const StoreSettings& store) {
  for (std::size_t i = 0; i < store.tiers.size(); ++i) {
    std::int64_t sum = 0;
    for (const TenantSettings& tenant : store.tenants) {
      for (const TenantSettings::Limit& limit : tenant.limits) {
        if (limit.tier == static_cast<int>(i)) sum += limit.guarantee;
      }
    }
    if (sum > store.tiers[i].capacity) {
      return Error{"tenants: the guarantees in tier " + store.tiers[i].name + " add up to " +
                   format_bytes(static_cast<double>(sum)) + ", more than its capacity of " +
                   format_bytes(static_cast<double>(store.tiers[i].capacity))};
    }
  }
  return {};
}

}  // namespace

Expected<StoreSettings> resolve_store(proto::ClusterConfig& config,
                                      std::vector<std::string>& honesty) {
  StoreSettings store;
  if (config.has_store()) {
    proto::StoreConfig& given = *config.mutable_store();
    store.block_tokens = static_cast<std::int64_t>(given.block_tokens());
    store.tail = given.tail_block();
    store.answers = given.answers();
    store.prefetch_after = given.prefetch_after();
    store.fetch = given.fetch() == "always"  ? StoreSettings::Fetch::kAlways
                  : given.fetch() == "never" ? StoreSettings::Fetch::kNever
                                             : StoreSettings::Fetch::kCheaper;
    if (given.tiers_size() > static_cast<int>(FetchResult::kMaxTiers)) {
      return Error{"store.tiers: " + std::to_string(given.tiers_size()) + " are more than the " +
                   std::to_string(FetchResult::kMaxTiers) + " there can be"};
    }
    for (int i = 0; i < given.tiers_size(); ++i) {
      auto tier = resolve_tier(*given.mutable_tiers(i), honesty);
      const std::string key = "store.tiers[" + std::to_string(i) + "].";
      if (!tier) return Error{key + tier.error().message};
      if (tier->name == "hbm") return Error{key + "name: hbm is the engines' own memory"};
      for (const TierSettings& other : store.tiers) {
        if (other.name == tier->name)
          return Error{key + "name: two tiers are called " + tier->name + "; give them names"};
      }
      store.tiers.push_back(*std::move(tier));
    }
  }
  if (config.has_network()) {
    const proto::NetworkConfig& network = config.network();
    auto fabric = resolve_fabric(network);
    if (!fabric) return Error{"network.fabric: " + fabric.error().message};
    store.fabric = *fabric;
    if (network.node() == "dgx_h200") store.node = StoreSettings::Node::kDgxH200;
    store.nvlink_bytes_per_second = network.nvlink_bandwidth();
    store.nvlink_latency = duration(network.nvlink_latency_ns());
    for (const proto::LinkFailureConfig& failure : network.failures()) {
      store.link_failures.push_back(
          {failure.from(), failure.to(), duration(failure.at_ns()), duration(failure.lasts_ns())});
    }
    store.pcie_bytes_per_second = network.pcie_bandwidth();
    store.pcie_latency = duration(network.pcie_latency_ns());
    store.nic_bytes_per_second = network.nic_bandwidth();
    store.nic_latency = duration(network.nic_latency_ns());
    store.nic_price_per_gb = network.price_per_gb();
    for (const proto::LinkConfig& link : network.links()) {
      store.links.push_back({link.from(), link.to(), link.bandwidth(), duration(link.latency_ns()),
                             link.price_per_gb()});
    }
  }
  for (int i = 0; i < config.tenants_size(); ++i) {
    auto tenant = resolve_tenant(config.tenants(i), store.tiers);
    const std::string key = "tenants[" + std::to_string(i) + "].";
    if (!tenant) return Error{key + tenant.error().message};
    for (const TenantSettings& other : store.tenants) {
      if (other.name == tenant->name)
        return Error{key + "name: " + tenant->name + " is there twice"};
    }
    store.tenants.push_back(*std::move(tenant));
  }
  if (const auto fits = check_guarantees(store); !fits) return fits.error();
  return store;
}

}  // namespace scsim::sim
