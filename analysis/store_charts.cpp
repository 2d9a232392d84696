#include <algorithm>
#include <cmath>

#include "analysis/chart_json.h"
#include "analysis/cluster_timeline.h"
#include "analysis/store_reports.h"
#include "analysis/summary_parts.h"

namespace scsim::analysis {
namespace {

constexpr std::size_t kTimelinePoints = 300;
constexpr std::size_t kTenants = 6, kLinkBars = 16, kLinkCurves = 5;
constexpr double kGib = 1024.0 * 1024 * 1024;

std::vector<std::string> tier_names(const Result& result) {
  std::vector<std::string> names;
  for (const TierResult& tier : result.tiers) names.push_back(tier.name);
  return names;
}

// All requests, and the tenants with most of them.
std::vector<const TokenSources*> groups(const StoreSummary& store) {
  std::vector<const TokenSources*> tenants;
  for (const TokenSources& tenant : store.tenants) tenants.push_back(&tenant);
  std::ranges::stable_sort(tenants, std::ranges::greater{}, &TokenSources::prompt_tokens);
  if (tenants.size() < 2) tenants.clear();
  if (tenants.size() > kTenants) tenants.resize(kTenants);
  tenants.insert(tenants.begin(), &store.all);
  return tenants;
}

// Shares of the prompt tokens by where their KV came from.
std::string tokens(const Result& result, const StoreSummary& store) {
  std::vector<std::string> parts = {"HBM", "HBM, lossy"}, rows;
  for (const std::string& tier : tier_names(result)) parts.push_back(tier);
  parts.emplace_back("computed");
  for (const TokenSources* group : groups(store)) {
    std::vector<double> shares = {group->share(group->found_tokens - group->found_lossy_tokens),
                                  group->share(group->found_lossy_tokens)};
    for (std::int64_t fetched : group->fetched_tokens) shares.push_back(group->share(fetched));
    shares.push_back(group->share(group->computed_tokens()));
    rows.push_back(row(group->name, shares));
  }
  return object({member("parts", texts(parts)), member("rows", array(rows))});
}

// Mean seconds of a request.
std::string ttft(const StoreSummary& store) {
  std::vector<std::string> rows;
  for (const TokenSources* group : groups(store))
    rows.push_back(
        row(group->name, {group->mean(group->avoided_seconds), group->mean(group->wait_seconds),
                          group->mean(group->avoided_seconds - group->wait_seconds)}));
  return object({member("parts", texts({"computing avoided", "waited for fetches", "saved"})),
                 member("rows", array(rows))});
}

std::size_t bins_per_point(std::size_t bins) {
  return std::max<std::size_t>(1, (bins + kTimelinePoints - 1) / kTimelinePoints);
}

// What the largest tenants hold over time in GiB, and the others together.
std::string occupancy(const Result& result, const TierResult& tier) {
  const std::size_t merged = bins_per_point(tier.used_bytes.size());
  std::vector<double> rest = merged_bins(tier.used_bytes, merged);
  for (double& bytes : rest) bytes /= kGib;
  std::vector<std::string> rows;
  for (const std::size_t tenant : largest_holders(result, kTenants)) {
    if (tenant >= tier.used_bytes_by_tenant.size()) continue;
    std::vector<double> held = merged_bins(tier.used_bytes_by_tenant[tenant], merged);
    held.resize(rest.size());
    for (std::size_t i = 0; i < rest.size(); ++i) rest[i] -= held[i] /= kGib;
    rows.push_back(row(tenant_name(result, tenant), held));
  }
  // Means of floats leave a little even where nobody else holds anything.
  const double capacity = static_cast<double>(tier.capacity_bytes) / kGib;
  for (double& gib : rest) gib = gib > 1e-6 * capacity ? gib : 0;
  if (std::ranges::any_of(rest, [](double gib) { return gib > 0; }))
    rows.push_back(row(rows.empty() ? "all" : "all others", rest));
  const double point = result.timeline_bin.seconds().value() * static_cast<double>(merged);
  return object({member("point_seconds", format_shortest(point)),
                 member("capacity", format_shortest(capacity)), member("rows", array(rows))});
}

std::string tiers(const Result& result, const StoreSummary& store) {
  std::vector<std::string> items;
  for (std::size_t t = 0; t < result.tiers.size(); ++t) {
    const TierResult& tier = result.tiers[t];
    const TierSummary& s = store.tiers[t];
    items.push_back(object(
        {member("name", json_quote(tier.name)),
         member("lifetimes", lifetime_chart(tier.lifetimes, &tier.gaps)),
         member("occupancy", occupancy(result, tier)),
         member("gpu_seconds", format_shortest(tier.avoided_gpu_seconds)),
         member("dollars", store.avoided_dollars ? format_shortest(tier.avoided_dollars) : "null"),
         member("price", s.dollars ? format_shortest(*s.dollars) : "null")}));
  }
  return array(items);
}

std::string link_bytes(const Result& result) {
  std::vector<std::string> rows;
  for (const std::size_t i : busiest_links(result, kLinkBars))
    rows.push_back(row(result.links[i].name, {static_cast<double>(result.links[i].bytes)}));
  return array(rows);
}

// Shares of their bandwidth that the most used links carry over time.
std::string link_rates(const Result& result, const StoreSummary& store) {
  std::vector<std::size_t> order;
  for (const std::size_t i : busiest_links(result, result.links.size()))
    if (store.links[i].utilisation) order.push_back(i);
  std::ranges::stable_sort(order, std::ranges::greater{},
                           [&](std::size_t i) { return *store.links[i].utilisation; });
  if (order.size() > kLinkCurves) order.resize(kLinkCurves);
  std::vector<std::string> rows;
  std::size_t merged = 1;
  for (const std::size_t i : order) {
    const LinkResult& link = result.links[i];
    merged = bins_per_point(link.carried.size());
    std::vector<double> shares = merged_bins(link.carried, merged);
    for (double& share : shares) share /= link.bytes_per_second;
    rows.push_back(row(link.name, shares));
  }
  const double point = result.timeline_bin.seconds().value() * static_cast<double>(merged);
  return object({member("point_seconds", format_shortest(point)), member("rows", array(rows))});
}

// GiB-hours of each tier by the tenant they are charged to, and by the tenant that stored them.
std::string charged(const Result& result) {
  const std::vector<std::size_t> named = largest_holders(result, kTenants);
  std::vector<std::string> parts, rows;
  for (const std::size_t tenant : named) parts.push_back(tenant_name(result, tenant));
  parts.emplace_back("all others");
  const auto add = [&](const std::string& name, const std::vector<double>& byte_seconds) {
    std::vector<double> gib_hours(parts.size(), 0);
    for (std::size_t t = 0; t < byte_seconds.size(); ++t) {
      const auto at = static_cast<std::size_t>(std::ranges::find(named, t) - named.begin());
      gib_hours[at] += byte_seconds[t] / kGib / 3600;
    }
    rows.push_back(row(name, gib_hours));
  };
  for (const TierResult& tier : result.tiers) {
    add(tier.name + ", charged", tier.charged_byte_seconds);
    add(tier.name + ", stored", tier.stored_byte_seconds);
  }
  return object({member("parts", texts(parts)), member("rows", array(rows))});
}

}  // namespace

std::string store_chart_data(const Result& result, const Summary& summary) {
  if (!summary.store) return "null";
  const StoreSummary& store = *summary.store;
  return object({member("tokens", tokens(result, store)), member("ttft", ttft(store)),
                 member("tiers", tiers(result, store)), member("link_bytes", link_bytes(result)),
                 member("link_rates", link_rates(result, store)),
                 member("charged", charged(result))});
}

}  // namespace scsim::analysis
