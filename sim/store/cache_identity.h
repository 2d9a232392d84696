// Who may use whose KV: requests share a prefix only under the same salt.
//
// The salt stands for everything but the tokens that a cache is the cache of: model, precision,
// method, and the tenants that share with each other. All tenants do unless the cluster isolates
// one or names groups.
#pragma once

#include <string>
#include <vector>

#include "sim/block_pool.h"
#include "sim/cluster.h"

namespace scsim::sim {

class CacheIdentity {
 public:
  explicit CacheIdentity(const Cluster& cluster);

  // REQUIRES (both): tenant_seen(tenant, ...) was called. Where the method's caches are good for
  // their own session only, it is in the salt.
  std::uint64_t salt(std::size_t pool, std::uint32_t tenant, const std::string& slo_class,
                     std::uint64_t session) const;
  // The method that the pool runs the tenant's requests of the class with; null: full attention.
  const MethodModel* method(std::size_t pool, std::uint32_t tenant,
                            const std::string& slo_class) const {
    return cluster_.pools[pool].method_for(slo_class, name_of_tenant_[tenant]);
  }
  // The tenant's partition of an engine's blocks: 0 without limits there; else as in hbm_limits().
  std::size_t partition(std::uint32_t tenant) const { return partition_of_tenant_[tenant]; }
  // In blocks of an engine of the pool; of partitions 1, 2, ...
  static std::vector<PartitionLimit> hbm_limits(const Cluster& cluster, const Pool& pool);
  void tenant_seen(std::uint32_t tenant, const std::string& name);
  // Configured tenants that nobody has seen.
  std::vector<std::string> unseen() const;

 private:
  const Cluster& cluster_;
  std::vector<std::uint64_t> of_pool_;
  std::vector<std::uint64_t> of_tenant_;  // 0: shares with all who have 0
  std::vector<std::string> name_of_tenant_;
  std::vector<std::size_t> partition_of_tenant_;
  std::vector<char> seen_;  // by place in the configuration
};

}  // namespace scsim::sim
