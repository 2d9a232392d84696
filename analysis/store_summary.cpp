#include "analysis/store_summary.h"

#include <algorithm>
#include <cmath>

#include "analysis/request_times.h"
#include "analysis/summary.h"
#include "analysis/summary_parts.h"

namespace scsim::analysis {
namespace {

constexpr double kGib = 1024.0 * 1024 * 1024, kHour = 3600;

void count_request(const RequestResult& r, const FetchResult& fetch, TokenSources& sources) {
  ++sources.requests;
  sources.prompt_tokens += r.prompt_tokens;
  sources.found_tokens += r.found_tokens;
  sources.found_lossy_tokens += fetch.found_lossy_tokens;
  for (std::size_t t = 0; t < sources.fetched_tokens.size(); ++t)
    sources.fetched_tokens[t] += fetch.tokens[t];
  sources.fetched_lossy_tokens += fetch.lossy_tokens;
  sources.avoided_seconds += static_cast<double>(fetch.avoided_ns) * 1e-9;
  sources.wait_seconds += static_cast<double>(fetch.wait_ns) * 1e-9;
}

void count_requests(const Result& result, const Window& window, StoreSummary& store) {
  store.all.name = "all";
  store.all.fetched_tokens.resize(result.tiers.size());
  const std::size_t requests = std::min(result.requests.size(), result.fetches.size());
  for (std::size_t i = 0; i < requests; ++i) {
    const RequestResult& r = result.requests[i];
    if (!window.measures(r) || !admitted(r)) continue;
    if (r.tenant >= store.tenants.size()) store.tenants.resize(r.tenant + std::size_t{1});
    store.tenants[r.tenant].fetched_tokens.resize(result.tiers.size());
    count_request(r, result.fetches[i], store.all);
    count_request(r, result.fetches[i], store.tenants[r.tenant]);
  }
  for (std::size_t t = 0; t < store.tenants.size(); ++t)
    store.tenants[t].name = tenant_name(result, t);
  std::erase_if(store.tenants, [](const TokenSources& tenant) { return tenant.requests == 0; });
}

TierSummary summarise_tier(const Result& result, std::size_t index, const Summary& summary,
                           const TokenSources& all) {
  const TierResult& tier = result.tiers[index];
  TierSummary s;
  s.name = tier.name;
  s.hit_ratio = all.share(all.fetched_tokens[index]);
  if (tier.capacity_bytes > 0) {
    const auto capacity = static_cast<double>(tier.capacity_bytes);
    s.used_share = mean_over(tier.used_bytes, result.timeline_bin, summary.window);
    if (s.used_share) *s.used_share /= capacity;
    s.peak_share = static_cast<double>(tier.peak_bytes) / capacity;
  }
  s.lifetimes = lives_by_reason(tier.lifetimes, 0);
  s.residence = summarise_lives("residence", tier.lifetimes);
  s.between_uses = summarise_lives("between uses", tier.gaps);
  const bool priced = tier.price_per_gib_hour > 0;
  if (priced)
    s.dollars = static_cast<double>(tier.capacity_bytes) / kGib * summary.run_seconds / kHour *
                tier.price_per_gib_hour;
  const auto gib_hours = [](const std::vector<double>& byte_seconds, std::size_t tenant) {
    return tenant < byte_seconds.size() ? byte_seconds[tenant] / kGib / kHour : 0.0;
  };
  const std::size_t tenants =
      std::max(tier.charged_byte_seconds.size(), tier.stored_byte_seconds.size());
  for (std::size_t t = 0; t < tenants; ++t) {
    TenantShare share;
    share.charged_gib_hours = gib_hours(tier.charged_byte_seconds, t);
    share.stored_gib_hours = gib_hours(tier.stored_byte_seconds, t);
    if (share.charged_gib_hours == 0 && share.stored_gib_hours == 0) continue;
    share.name = tenant_name(result, t);
    if (priced) share.charged_dollars = share.charged_gib_hours * tier.price_per_gib_hour;
    s.tenants.push_back(std::move(share));
  }
  return s;
}

LinkSummary summarise_link(const LinkResult& link, double run_seconds) {
  LinkSummary s;
  if (run_seconds <= 0) return s;
  s.mean_bytes_per_second = static_cast<double>(link.bytes) / run_seconds;
  if (!link.carried.empty())
    s.peak_bytes_per_second = static_cast<double>(std::ranges::max(link.carried));
  if (std::isfinite(link.bytes_per_second) && link.bytes_per_second > 0)
    s.utilisation = s.mean_bytes_per_second / link.bytes_per_second;
  s.busy_share = static_cast<double>(link.busy_ns) * 1e-9 / run_seconds;
  return s;
}

// The largest first, at most `most` of them, without those of no size.
std::vector<std::size_t> largest(const std::vector<double>& sizes, std::size_t most) {
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < sizes.size(); ++i)
    if (sizes[i] > 0) order.push_back(i);
  std::ranges::stable_sort(order, std::ranges::greater{}, [&](std::size_t i) { return sizes[i]; });
  if (order.size() > most) order.resize(most);
  return order;
}

}  // namespace

std::int64_t TokenSources::fetched() const {
  std::int64_t tokens = 0;
  for (std::int64_t of_tier : fetched_tokens) tokens += of_tier;
  return tokens;
}
double TokenSources::share(std::int64_t tokens) const {
  return prompt_tokens == 0 ? 0 : static_cast<double>(tokens) / static_cast<double>(prompt_tokens);
}
double TokenSources::mean(double seconds) const {
  return requests == 0 ? 0 : seconds / static_cast<double>(requests);
}

void summarise_store(const Result& result, Summary& summary) {
  if (result.tiers.empty()) return;
  StoreSummary& store = summary.store.emplace();
  count_requests(result, summary.window, store);
  double dollars = 0;
  for (std::size_t t = 0; t < result.tiers.size(); ++t) {
    store.tiers.push_back(summarise_tier(result, t, summary, store.all));
    store.avoided_gpu_seconds += result.tiers[t].avoided_gpu_seconds;
    dollars += result.tiers[t].avoided_dollars;
  }
  for (const LinkResult& link : result.links)
    store.links.push_back(summarise_link(link, summary.run_seconds));
  for (const EngineResult& engine : result.engines) {
    store.abandoned_loads += engine.abandoned_loads;
    if (engine.price_per_gpu_hour > 0) store.avoided_dollars = dollars;
  }
}

std::vector<std::size_t> largest_holders(const Result& result, std::size_t most) {
  std::vector<double> held;
  for (const TierResult& tier : result.tiers) {
    held.resize(std::max(held.size(), tier.stored_byte_seconds.size()));
    for (std::size_t t = 0; t < tier.stored_byte_seconds.size(); ++t)
      held[t] += tier.stored_byte_seconds[t];
  }
  return largest(held, most);
}

std::vector<std::size_t> busiest_links(const Result& result, std::size_t most) {
  std::vector<double> bytes;
  for (const LinkResult& link : result.links) bytes.push_back(static_cast<double>(link.bytes));
  return largest(bytes, most);
}

const std::vector<Definition>& store_definitions() {
  static const std::vector<Definition> kDefinitions = {
      {"hit ratio of a tier",
       "prompt tokens fetched from the tier for the first admission / prompt tokens of admitted "
       "requests that arrived in the window; HBM: those found there, which is the hit ratio above; "
       "computed: the rest"},
      {"lossy",
       "tokens whose KV has gone through a lossy codec on its way, here or in another tier; the "
       "others are exact"},
      {"residence",
       "of a block in a tier, from its storing to its end there, whatever the reason; between "
       "uses: the time between two uses of a block there; whole run, read off bins that double in "
       "width"},
      {"avoided",
       "an estimate: what the cost model says computing the fetched tokens would have taken, alone "
       "in a step, times the engine's GPUs; whole run, fetches that were abandoned included"},
      {"TTFT saved",
       "an estimate: mean over admitted requests that arrived in the window, with or without a "
       "fetch, of the time that computing its fetched tokens would have taken less the time it "
       "waited for them; that others would have queued behind it is left out"},
      {"price of a tier", "its capacity, of all instances, times the length of the run"},
      {"charged",
       "a block's bytes times the time between two uses go to the tenant whose use ended it, for "
       "whom it was kept, the last stretch to the last user; stored: all of it to the tenant that "
       "stored the block"},
      {"link", "one direction of a link of the cluster; its bandwidth is of that direction alone"},
  };
  return kDefinitions;
}

}  // namespace scsim::analysis
