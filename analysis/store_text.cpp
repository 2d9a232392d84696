#include <algorithm>
#include <cmath>

#include "analysis/store_reports.h"
#include "analysis/wording.h"
#include "traces/report/text_table.h"
#include "traces/text.h"

namespace scsim::analysis {
namespace {

constexpr std::string_view kHead = "Store       ";
constexpr std::size_t kTableIndent = 2;
constexpr std::size_t kTierWidth = 10, kTenantWidth = 20;

std::string sources_text(const Result& result, const TokenSources& all) {
  std::string text = format_percent(all.share(all.found_tokens)) + " of prompt tokens found in HBM";
  for (std::size_t t = 0; t < result.tiers.size(); ++t)
    text += ", " + format_percent(all.share(all.fetched_tokens[t])) + " fetched from " +
            shortened(result.tiers[t].name, kTierWidth);
  text += ", " + format_percent(all.share(all.computed_tokens())) + " computed";
  const std::int64_t lossy = all.found_lossy_tokens + all.fetched_lossy_tokens;
  if (lossy > 0) text += "; " + format_percent(all.share(lossy)) + " came through a lossy codec";
  return text;
}

std::string median(const LifetimeSummary& times) {
  return times.blocks == 0 ? "-" : format_seconds(times.p50);
}

std::string tier_table(const Result& result, const StoreSummary& store) {
  TextTable table({"tier", "capacity", "used", "fetched", "evicted", "refused", "residence",
                   "reuse", "GPU saved"});
  for (std::size_t t = 0; t < result.tiers.size(); ++t) {
    const TierResult& tier = result.tiers[t];
    const TierSummary& s = store.tiers[t];
    const auto bytes = [](std::int64_t count) { return format_bytes(static_cast<double>(count)); };
    table.add({shortened(tier.name, kTierWidth), bytes(tier.capacity_bytes),
               s.used_share ? format_percent(*s.used_share) : "-", bytes(tier.fetched_bytes),
               bytes(tier.evicted_bytes), bytes(tier.refused_bytes), median(s.residence),
               median(s.between_uses), format_seconds(tier.avoided_gpu_seconds)});
  }
  return table.text(kTableIndent);
}

// Hit ratios by tier of the tenants with most prompt tokens.
std::string tenant_table(const Result& result, const StoreSummary& store, std::size_t rows) {
  if (rows == 0 || store.tenants.size() < 2) return "";
  std::vector<std::string> header = {"tenant", "HBM"};
  for (const TierResult& tier : result.tiers) header.push_back(shortened(tier.name, kTierWidth));
  header.insert(header.end(), {"computed", "TTFT saved"});
  TextTable table(header);
  std::vector<const TokenSources*> tenants;
  for (const TokenSources& tenant : store.tenants) tenants.push_back(&tenant);
  std::ranges::stable_sort(tenants, std::ranges::greater{}, &TokenSources::prompt_tokens);
  for (std::size_t i = 0; i < std::min(rows, tenants.size()); ++i) {
    const TokenSources& tenant = *tenants[i];
    std::vector<std::string> cells = {shortened(tenant.name, kTenantWidth),
                                      format_percent(tenant.share(tenant.found_tokens))};
    for (std::int64_t fetched : tenant.fetched_tokens)
      cells.push_back(format_percent(tenant.share(fetched)));
    cells.push_back(format_percent(tenant.share(tenant.computed_tokens())));
    cells.push_back(format_seconds(tenant.mean(tenant.avoided_seconds - tenant.wait_seconds)));
    table.add(cells);
  }
  return table.text(kTableIndent);
}

// The link that is closest to its bandwidth.
std::string busiest_text(const Result& result, const StoreSummary& store) {
  std::size_t busiest = result.links.size();
  for (std::size_t i = 0; i < result.links.size(); ++i) {
    const auto& share = store.links[i].utilisation;
    if (share && *share > 0 &&
        (busiest == result.links.size() || *share > *store.links[busiest].utilisation))
      busiest = i;
  }
  if (busiest == result.links.size()) return "";
  return "; busiest link: " + shortened(result.links[busiest].name, 40) + ", " +
         format_percent(*store.links[busiest].utilisation) + " of its bandwidth";
}

}  // namespace

std::string store_worth_text(const Summary& summary) {
  if (!summary.store) return "";
  const StoreSummary& store = *summary.store;
  const TokenSources& all = store.all;
  std::string text = "spared about " + format_seconds(store.avoided_gpu_seconds) + " of GPU time";
  if (store.avoided_dollars) text += " (" + dollars_text(*store.avoided_dollars) + ")";
  double price = 0;
  bool priced = !store.tiers.empty();
  for (const TierSummary& tier : store.tiers) {
    priced = priced && tier.dollars;
    price += tier.dollars.value_or(0);
  }
  if (priced) text += " for a price of " + dollars_text(price);
  text += "; TTFT " + format_seconds(std::abs(store.ttft_saved())) +
          (store.ttft_saved() < 0 ? " longer" : " shorter") + " on average (computing avoided " +
          format_seconds(all.mean(all.avoided_seconds)) + ", waited for fetches " +
          format_seconds(all.mean(all.wait_seconds)) + "); estimates by the cost model";
  if (store.abandoned_loads > 0)
    text += "; " + format_integer(store.abandoned_loads) + " loads abandoned to make room";
  return text;
}

std::string store_text(const Result& result, const Summary& summary, std::size_t tenant_rows) {
  if (!summary.store) return "";
  const StoreSummary& store = *summary.store;
  return wrapped(kHead, sources_text(result, store.all) + "; " + store_worth_text(summary) +
                            busiest_text(result, store)) +
         tier_table(result, store) + tenant_table(result, store, tenant_rows);
}

}  // namespace scsim::analysis
