#include "sim/store/cache_identity.h"

#include <algorithm>

#include "sim/method_model.h"
#include "traces/hash.h"
#include "traces/text.h"

namespace scsim::sim {

CacheIdentity::CacheIdentity(const Cluster& cluster) : cluster_(cluster) {
  for (const Pool& pool : cluster.pools) {
    const std::string identity = pool.model.name + " " + format_shortest(pool.precision.cache_bits);
    of_pool_.push_back(hash_text(identity));
  }
  seen_.resize(cluster.store.tenants.size());
}

void CacheIdentity::tenant_seen(std::uint32_t tenant, const std::string& name) {
  if (tenant >= of_tenant_.size()) {
    of_tenant_.resize(tenant + 1, 0);
    partition_of_tenant_.resize(tenant + 1, 0);
    name_of_tenant_.resize(tenant + 1);
  }
  name_of_tenant_[tenant] = name;
  const auto& tenants = cluster_.store.tenants;
  const auto found = std::ranges::find(tenants, name, &TenantSettings::name);
  if (found == tenants.end()) return;
  seen_[static_cast<std::size_t>(found - tenants.begin())] = 1;
  std::size_t partition = 0;
  for (const TenantSettings& other : tenants) {
    if (other.hbm() != nullptr) ++partition;
    if (&other == &*found && other.hbm() != nullptr) partition_of_tenant_[tenant] = partition;
  }
  if (found->isolated) {
    of_tenant_[tenant] = hash_text("tenant " + name);
  } else if (!found->share_group.empty()) {
    of_tenant_[tenant] = hash_text("group " + found->share_group);
  }
}

std::vector<PartitionLimit> CacheIdentity::hbm_limits(const Cluster& cluster, const Pool& pool) {
  const double block = pool.model.cache_per_token(pool.precision.cache_bits).value() *
                       static_cast<double>(pool.knobs.block_tokens);
  std::vector<PartitionLimit> limits;
  for (const TenantSettings& tenant : cluster.store.tenants) {
    const TenantSettings::Limit* limit = tenant.hbm();
    if (limit == nullptr) continue;
    const auto blocks = [&](std::int64_t bytes) {
      return std::min(static_cast<std::int64_t>(static_cast<double>(bytes) / block),
                      pool.num_blocks);
    };
    limits.push_back(
        {limit->quota ? blocks(*limit->quota) : pool.num_blocks, blocks(limit->guarantee)});
  }
  return limits;
}

std::uint64_t CacheIdentity::salt(std::size_t pool, std::uint32_t tenant,
                                  const std::string& slo_class, std::uint64_t session) const {
  const std::uint64_t salt = scramble(of_pool_[pool] ^ scramble(of_tenant_[tenant]));
  const MethodModel* by = method(pool, tenant, slo_class);
  if (by == nullptr) return salt;
  const std::uint64_t of_method = scramble(salt ^ hash_text(by->text));
  const bool for_all =
      by->reuse == methods::ReuseClass::kExact || by->reuse == methods::ReuseClass::kLossy;
  return for_all ? of_method : scramble(of_method ^ scramble(session));
}

std::vector<std::string> CacheIdentity::unseen() const {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < seen_.size(); ++i) {
    if (!seen_[i]) names.push_back(cluster_.store.tenants[i].name);
  }
  return names;
}

}  // namespace scsim::sim
