#include "sim/disaggregation.h"

#include <algorithm>

#include "sim/cluster.h"
#include "sim/method_model.h"
#include "traces/proto/cluster.pb.h"
#include "traces/text.h"

namespace scsim::sim {
namespace {

std::string method_of(const Pool& pool) {
  return pool.method == nullptr ? "full attention" : pool.method->text;
}

// Why one could not use the other's KV.
Expected<void> check_alike(const Pool& prefill, const Pool& decode) {
  const auto unlike = [&](const std::string& key, const std::string& one,
                          const std::string& other) {
    return Error{"pools: " + prefill.name + " prefills for " + decode.name + ", and " + key +
                 " differs: " + one + " and " + other + "; KV of one is no use to the other"};
  };
  if (prefill.precision.cache_bits != decode.precision.cache_bits)
    return unlike("cache_dtype",
                  std::to_string(static_cast<int>(prefill.precision.cache_bits)) + " bits",
                  std::to_string(static_cast<int>(decode.precision.cache_bits)) + " bits");
  if (prefill.knobs.block_tokens != decode.knobs.block_tokens)
    return unlike("engine.block_tokens", std::to_string(prefill.knobs.block_tokens),
                  std::to_string(decode.knobs.block_tokens));
  if (method_of(prefill) != method_of(decode))
    return unlike("method", method_of(prefill), method_of(decode));
  return {};
}

// What roles do not go with yet.
Expected<void> check_modelled(const Pool& pool, const proto::ClusterConfig& config) {
  const std::string head = "pools: " + pool.name + ": role: ";
  if (pool.model.has_recurrent_layers())
    return Error{head + "the state of recurrent layers, which " + pool.model.name +
                 " has, is not modelled as something to hand over yet"};
  std::vector<const MethodModel*> methods = {pool.method.get()};
  for (const auto& [tenant, method] : pool.method_of_tenant) methods.push_back(method.get());
  for (const MethodModel* method : methods) {
    if (method != nullptr && method->compression != nullptr)
      return Error{head + "handing over what method " + method->text +
                   " has compressed is not modelled yet"};
  }
  for (const proto::TenantConfig& tenant : config.tenants()) {
    for (const proto::TenantLimitConfig& limit : tenant.limits()) {
      if (limit.tier() == "hbm")
        return Error{head + "tenants' limits in hbm beside roles are not modelled yet"};
    }
  }
  if (pool.gpu.host_bandwidth.value() <= 0 && config.network().pcie_bandwidth() <= 0)
    return Error{"network.pcie_bandwidth: pool " + pool.name +
                 " hands KV over, and the bandwidth of " + pool.gpu.name +
                 " to its host is not known"};
  return {};
}

}  // namespace

bool prefills_for(const Pool& prefill, const Pool& decode) {
  return prefill.role == Role::kPrefill && decode.role == Role::kDecode &&
         prefill.model.name == decode.model.name;
}

Expected<Disaggregation> resolve_disaggregation(proto::ClusterConfig& config,
                                                const std::vector<Pool>& pools) {
  Disaggregation settings;
  for (const Pool& pool : pools) settings.on = settings.on || pool.role != Role::kBoth;
  if (!settings.on) {
    if (!config.has_disaggregation()) return settings;
    return Error{"disaggregation: no pool has the role prefill, nor one the role decode"};
  }
  for (const Pool& pool : pools) {
    if (pool.role == Role::kBoth) continue;
    const bool prefills = pool.role == Role::kPrefill;
    bool found = false;
    for (const Pool& other : pools) {
      const Pool& prefill = prefills ? pool : other;
      const Pool& decode = prefills ? other : pool;
      if (!prefills_for(prefill, decode)) continue;
      found = true;
      if (const auto alike = check_alike(prefill, decode); !alike) return alike.error();
    }
    if (!found)
      return Error{"pools: " + pool.name + " has the role " + (prefills ? "prefill" : "decode") +
                   ", and no pool of " + pool.model.name + " has the role " +
                   (prefills ? "decode" : "prefill")};
    if (const auto modelled = check_modelled(pool, config); !modelled) return modelled.error();
  }
  proto::DisaggregationConfig& given = *config.mutable_disaggregation();
  using D = Disaggregation;
  settings.decider = given.decider() == "threshold" ? D::Decider::kThreshold
                     : given.decider() == "never"   ? D::Decider::kNever
                                                    : D::Decider::kAlways;
  settings.threshold = static_cast<std::int64_t>(given.threshold());
  settings.max_waiting = static_cast<std::int64_t>(given.max_waiting());
  settings.transfer = given.transfer() == "push"      ? D::Transfer::kPush
                      : given.transfer() == "layered" ? D::Transfer::kLayered
                                                      : D::Transfer::kPull;
  if (given.first_token().empty())
    given.set_first_token(settings.transfer == D::Transfer::kPull ? "decode" : "with_kv");
  settings.first_token = given.first_token() == "prefill"   ? D::FirstToken::kPrefill
                         : given.first_token() == "with_kv" ? D::FirstToken::kWithKv
                                                            : D::FirstToken::kDecode;
  settings.overhead = Duration(static_cast<std::int64_t>(given.overhead_ns()));
  return settings;
}

}  // namespace scsim::sim
