// The store of a cluster as people configure it, checked and complete: tiers, the links to them,
// and the tenants' shares (traces/proto/cluster.proto: StoreConfig, NetworkConfig, TenantConfig).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sim/store/eviction.h"
#include "traces/expected.h"
#include "traces/time.h"

namespace scsim::proto {
class ClusterConfig;
}

namespace scsim::sim {

struct CodecSettings {
  std::string name;
  double ratio = 1;                                                 // bytes stored for a byte of KV
  double encode_bytes_per_second = 0, decode_bytes_per_second = 0;  // of KV; 0: in no time
  bool lossy = false;
};

struct TierSettings {
  enum class Scope : std::uint8_t { kEngine, kNode, kCluster };
  std::string name, medium;
  Scope scope = Scope::kNode;
  std::int64_t capacity = 0;  // bytes, of each instance
  double read_bytes_per_second = 0, write_bytes_per_second = 0;
  Duration latency{};
  Eviction eviction;
  bool write_back = false;
  bool exclusive = false;
  bool used_again = false;  // admission of what a second request used
  bool promote = false;
  bool prefetch = false;
  Duration ttl{};
  CodecSettings codec;
  double price_per_gib_hour = 0;
};

struct LinkSettings {
  std::string from, to;
  double bytes_per_second = 0;
  Duration latency{};
  double price_per_gb = 0;  // dollars for 10^9 bytes, either way
};

struct LinkFailureSettings {
  std::string from, to;
  Duration at{}, lasts{};  // lasts 0: for good
};

// What is between nodes (sim/store/fabric.h).
struct FabricSettings {
  enum class Kind : std::uint8_t { kSwitch, kRack, kFatTree };
  Kind kind = Kind::kSwitch;
  std::uint32_t size = 0;  // nodes of a rack; ports of a fat tree's switches, an even number
  std::uint32_t spines = 1;
  double oversubscription = 1;
  Duration hop_latency{};
};

struct TenantSettings {
  static constexpr int kHbm = -1;
  struct Limit {
    int tier = kHbm;                    // place in StoreSettings::tiers
    std::optional<std::int64_t> quota;  // bytes, in each instance
    std::int64_t guarantee = 0;
  };
  std::string name;
  bool isolated = false;
  std::string share_group;
  std::string method;  // as written; empty: the pool's
  std::vector<Limit> limits;
  double weight = 1;              // of its service under wfq
  std::int64_t max_requests = 0;  // in the system at once; 0: no limit

  const Limit* hbm() const {
    for (const Limit& limit : limits) {
      if (limit.tier == kHbm) return &limit;
    }
    return nullptr;
  }
};

struct StoreSettings {
  enum class Fetch : std::uint8_t { kCheaper, kAlways, kNever };
  std::int64_t block_tokens = 256;
  bool tail = false, answers = true;
  Fetch fetch = Fetch::kCheaper;
  double prefetch_after = 0.5;      // of a session's expected think time
  std::vector<TierSettings> tiers;  // nearest to the engines first

  double pcie_bytes_per_second = 0;  // of one GPU; 0: the GPU's own
  Duration pcie_latency{};
  double nic_bytes_per_second = 0;  // of each
  Duration nic_latency{};
  double nic_price_per_gb = 0;  // as LinkSettings::price_per_gb
  enum class Node : std::uint8_t { kHost, kDgxH200 };
  Node node = Node::kHost;
  double nvlink_bytes_per_second = 0;  // of one GPU
  Duration nvlink_latency{};
  FabricSettings fabric;
  std::vector<LinkSettings> links;
  std::vector<LinkFailureSettings> link_failures;

  std::vector<TenantSettings> tenants;
};

// Fills what the configuration leaves open, in it too, so that a report can show it. Errors name
// the key. `honesty` gets what was assumed.
Expected<StoreSettings> resolve_store(proto::ClusterConfig& config,
                                      std::vector<std::string>& honesty);

}  // namespace scsim::sim
