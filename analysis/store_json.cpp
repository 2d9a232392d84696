#include <cmath>
#include <nlohmann/json.hpp>

#include "analysis/store_reports.h"

namespace scsim::analysis {
namespace {

using Json = nlohmann::ordered_json;

Json number_or_null(const std::optional<double>& value) { return value ? Json(*value) : Json(); }

Json to_json(const TokenSources& sources, const Result& result) {
  Json fetched = Json::object(), ratios = Json::object();
  const auto ratio = [&](std::int64_t tokens) {
    return sources.prompt_tokens > 0 ? Json(sources.share(tokens)) : Json();
  };
  ratios["hbm"] = ratio(sources.found_tokens);
  for (std::size_t t = 0; t < result.tiers.size(); ++t) {
    fetched[result.tiers[t].name] = sources.fetched_tokens[t];
    ratios[result.tiers[t].name] = ratio(sources.fetched_tokens[t]);
  }
  ratios["computed"] = ratio(sources.computed_tokens());
  return {{"name", sources.name},
          {"requests", sources.requests},
          {"prompt_tokens", sources.prompt_tokens},
          {"found_tokens", sources.found_tokens},
          {"found_lossy_tokens", sources.found_lossy_tokens},
          {"fetched_tokens", std::move(fetched)},
          {"fetched_lossy_tokens", sources.fetched_lossy_tokens},
          {"computed_tokens", sources.computed_tokens()},
          {"ratio", std::move(ratios)},
          {"avoided_seconds_per_request", sources.mean(sources.avoided_seconds)},
          {"wait_seconds_per_request", sources.mean(sources.wait_seconds)},
          {"ttft_saved_seconds_per_request",
           sources.mean(sources.avoided_seconds - sources.wait_seconds)}};
}

Json to_json(const LifetimeSummary& life) {
  return {{"blocks", life.blocks},
          {"mean_seconds", life.mean},
          {"p50_seconds", life.p50},
          {"p90_seconds", life.p90}};
}

Json to_json(const TierResult& tier, const TierSummary& summary, bool with_dollars) {
  Json lifetimes = Json::array(), tenants = Json::array();
  for (const LifetimeSummary& life : summary.lifetimes) {
    Json row = {{"reason", life.reason}};
    row.update(to_json(life));
    lifetimes.push_back(std::move(row));
  }
  for (const TenantShare& tenant : summary.tenants)
    tenants.push_back({{"name", tenant.name},
                       {"charged_gib_hours", tenant.charged_gib_hours},
                       {"charged_dollars", number_or_null(tenant.charged_dollars)},
                       {"stored_gib_hours", tenant.stored_gib_hours}});
  return {
      {"name", tier.name},
      {"medium", tier.medium},
      {"scope", tier.scope},
      {"policy", tier.policy},
      {"codec", tier.codec},
      {"lossy", tier.lossy},
      {"instances", tier.instances},
      {"capacity_bytes", tier.capacity_bytes},
      {"used_share", number_or_null(summary.used_share)},
      {"peak_share", summary.peak_share},
      {"hit_ratio", summary.hit_ratio},
      {"fetched_tokens", tier.fetched_tokens},
      {"fetched_lossy_tokens", tier.fetched_lossy_tokens},
      {"fetched_bytes", tier.fetched_bytes},
      {"stored_bytes", tier.stored_bytes},
      {"refused_bytes", tier.refused_bytes},
      {"evicted_bytes", tier.evicted_bytes},
      {"prefetched_bytes", tier.prefetched_bytes},
      {"prefetched_used_bytes", tier.prefetched_used_bytes},
      {"lifetimes", std::move(lifetimes)},
      {"residence", to_json(summary.residence)},
      {"between_uses", to_json(summary.between_uses)},
      {"avoided_gpu_seconds", tier.avoided_gpu_seconds},
      {"avoided_dollars", with_dollars ? Json(tier.avoided_dollars) : Json()},
      {"price_per_gib_hour", tier.price_per_gib_hour > 0 ? Json(tier.price_per_gib_hour) : Json()},
      {"price_dollars", number_or_null(summary.dollars)},
      {"tenants", std::move(tenants)}};
}

Json to_json(const LinkResult& link, const LinkSummary& summary) {
  return {{"name", link.name},
          {"bytes_per_second",
           std::isfinite(link.bytes_per_second) ? Json(link.bytes_per_second) : Json()},
          {"bytes", link.bytes},
          {"mean_bytes_per_second", summary.mean_bytes_per_second},
          {"peak_bytes_per_second", summary.peak_bytes_per_second},
          {"utilisation", number_or_null(summary.utilisation)},
          {"busy_share", summary.busy_share}};
}

}  // namespace

Json store_json(const Result& result, const Summary& summary) {
  if (!summary.store) return {};
  const StoreSummary& store = *summary.store;
  Json json = {{"block_tokens", result.store_block_tokens}, {"all", to_json(store.all, result)}};
  json["tenants"] = Json::array();
  for (const TokenSources& tenant : store.tenants)
    json["tenants"].push_back(to_json(tenant, result));
  json["worth"] = {{"gpu_seconds", store.avoided_gpu_seconds},
                   {"dollars", number_or_null(store.avoided_dollars)},
                   {"ttft_saved_seconds", store.ttft_saved()},
                   {"is_estimate", true}};
  json["abandoned_loads"] = store.abandoned_loads;
  json["tiers"] = Json::array();
  for (std::size_t t = 0; t < result.tiers.size(); ++t)
    json["tiers"].push_back(
        to_json(result.tiers[t], store.tiers[t], store.avoided_dollars.has_value()));
  json["links"] = Json::array();
  for (std::size_t i = 0; i < result.links.size(); ++i)
    json["links"].push_back(to_json(result.links[i], store.links[i]));
  return json;
}

}  // namespace scsim::analysis
