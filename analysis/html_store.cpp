#include <cmath>

#include "analysis/html_tables.h"
#include "analysis/store_reports.h"
#include "analysis/wording.h"
#include "traces/report/html_elements.h"
#include "traces/text.h"

namespace scsim::analysis {
namespace {

std::string bytes(std::int64_t count) { return format_bytes(static_cast<double>(count)); }
std::string tokens(std::int64_t count) { return count_text(static_cast<double>(count)); }
std::string dollars(const std::optional<double>& value) {
  return value ? dollars_text(*value) : "–";
}
std::string gib_hours(double value) {
  return value < 100 ? format_fixed(value, value < 10 ? 2 : 1)
                     : format_integer(std::llround(value));
}

std::string source_table(const Result& result, const StoreSummary& store) {
  std::vector<std::string> header = {"tenant", "requests", "prompt tokens", "HBM"};
  for (const TierResult& tier : result.tiers) header.push_back(tier.name);
  for (const char* name : {"computed", "lossy", "computing avoided", "waited", "TTFT saved"})
    header.emplace_back(name);
  HtmlTable table(header);
  const auto add = [&](const TokenSources& group) {
    std::vector<std::string> cells = {group.name, format_integer(group.requests),
                                      count_text(static_cast<double>(group.prompt_tokens)),
                                      format_percent(group.share(group.found_tokens))};
    for (const std::int64_t fetched : group.fetched_tokens)
      cells.push_back(format_percent(group.share(fetched)));
    cells.push_back(format_percent(group.share(group.computed_tokens())));
    cells.push_back(
        format_percent(group.share(group.found_lossy_tokens + group.fetched_lossy_tokens)));
    for (const double seconds :
         {group.avoided_seconds, group.wait_seconds, group.avoided_seconds - group.wait_seconds})
      cells.push_back(format_seconds(group.mean(seconds)));
    table.add(cells);
  };
  add(store.all);
  for (std::size_t i = 0; i < std::min(kTableRows, store.tenants.size()); ++i)
    add(store.tenants[i]);
  return table.html() + rows_left_out(store.tenants.size());
}

std::string tier_table(const Result& result, const StoreSummary& store) {
  HtmlTable table({"tier", "medium", "one per", "policy", "codec", "capacity", "used", "peak",
                   "GPU time avoided", "dollars avoided", "price"});
  for (std::size_t t = 0; t < result.tiers.size(); ++t) {
    const TierResult& tier = result.tiers[t];
    const TierSummary& s = store.tiers[t];
    table.add({tier.name, tier.medium, tier.scope, tier.policy,
               tier.codec.empty() ? "–" : tier.codec + (tier.lossy ? ", lossy" : ", exact"),
               bytes(tier.capacity_bytes), s.used_share ? format_percent(*s.used_share) : "–",
               format_percent(s.peak_share), format_seconds(tier.avoided_gpu_seconds),
               store.avoided_dollars ? dollars_text(tier.avoided_dollars) : "–",
               dollars(s.dollars)});
  }
  return table.html();
}

std::string byte_table(const Result& result) {
  HtmlTable table({"tier", "fetched tokens", "exact", "lossy", "stored", "fetched", "evicted",
                   "refused", "prefetched", "of it used"});
  for (const TierResult& tier : result.tiers)
    table.add({tier.name, tokens(tier.fetched_tokens),
               tokens(tier.fetched_tokens - tier.fetched_lossy_tokens),
               tokens(tier.fetched_lossy_tokens), bytes(tier.stored_bytes),
               bytes(tier.fetched_bytes), bytes(tier.evicted_bytes), bytes(tier.refused_bytes),
               bytes(tier.prefetched_bytes),
               tier.prefetched_bytes > 0
                   ? format_percent(static_cast<double>(tier.prefetched_used_bytes) /
                                    static_cast<double>(tier.prefetched_bytes))
                   : "–"});
  return table.html();
}

// Lifetimes by reason, and the time between uses below them.
std::string life_table(const Result& result, const StoreSummary& store) {
  HtmlTable table({"tier and reason", "blocks", "mean", "p50", "p90"});
  const auto add = [&](const std::string& name, const LifetimeSummary& life) {
    if (life.blocks == 0) return table.add({name, "0", "–", "–", "–"});
    table.add({name, format_integer(static_cast<std::int64_t>(life.blocks)),
               format_seconds(life.mean), format_seconds(life.p50), format_seconds(life.p90)});
  };
  for (std::size_t t = 0; t < result.tiers.size(); ++t) {
    const std::string& name = result.tiers[t].name;
    for (const LifetimeSummary& life : store.tiers[t].lifetimes)
      add(name + ": " + reason_text(life.reason), life);
    add(name + ": residence, all", store.tiers[t].residence);
    add(name + ": time between uses", store.tiers[t].between_uses);
  }
  return table.html();
}

std::string link_table(const Result& result, const StoreSummary& store) {
  HtmlTable table({"link", "bandwidth", "bytes", "mean", "peak of a bin", "of bandwidth", "busy"});
  const std::vector<std::size_t> order = busiest_links(result, result.links.size());
  for (std::size_t i = 0; i < std::min(kTableRows, order.size()); ++i) {
    const LinkResult& link = result.links[order[i]];
    const LinkSummary& s = store.links[order[i]];
    table.add({link.name,
               std::isfinite(link.bytes_per_second) ? bandwidth_text(link.bytes_per_second)
                                                    : "not limited",
               bytes(link.bytes), bandwidth_text(s.mean_bytes_per_second),
               bandwidth_text(s.peak_bytes_per_second),
               s.utilisation ? format_percent(*s.utilisation) : "–", format_percent(s.busy_share)});
  }
  return table.html() + rows_left_out(order.size());
}

std::string share_table(const Result& result, const StoreSummary& store) {
  HtmlTable table({"tier and tenant", "charged, GiB hours", "dollars", "stored, GiB hours"});
  std::size_t rows = 0;
  for (std::size_t t = 0; t < result.tiers.size(); ++t)
    for (const TenantShare& share : store.tiers[t].tenants)
      if (rows++ < kTableRows)
        table.add({result.tiers[t].name + ": " + share.name, gib_hours(share.charged_gib_hours),
                   dollars(share.charged_dollars), gib_hours(share.stored_gib_hours)});
  return table.html() + rows_left_out(rows);
}

// A chart of every tier.
std::string tier_charts(const Result& result, const std::string& id, const std::string& title,
                        const std::string& note) {
  std::string out;
  for (std::size_t t = 0; t < result.tiers.size(); ++t)
    out += chart(id + std::to_string(t), result.tiers[t].name + ": " + title, note);
  return out;
}

}  // namespace

std::string store_html(const Result& result, const Summary& summary) {
  if (!summary.store) return "";
  const StoreSummary& store = *summary.store;
  std::string out = paragraph("Worth: ", store_worth_text(summary));
  out += figures(chart("store_tokens", "Where prompt tokens' KV came from", "share") +
                 chart("store_ttft", "What a request was spared of TTFT", "mean, an estimate"));
  out += source_table(result, store);
  out += figures(chart("store_gpu", "GPU time avoided", "an estimate") +
                 (store.avoided_dollars ? chart("store_dollars", "Dollars", "an estimate") : ""));
  out += tier_table(result, store);
  std::string html = section("Store", out);

  out = figures(tier_charts(result, "store_occupancy_", "what tenants hold", "dashed: capacity"));
  out += figures(tier_charts(result, "store_lifetimes_", "residence and time between uses",
                             "shares of blocks, of uses"));
  html += section("Blocks in the store", out + byte_table(result) + life_table(result, store));

  out = figures(chart("store_links", "Bytes by link and direction") +
                chart("store_rates", "The busiest links", "share of their bandwidth"));
  html += section("Links", out + link_table(result, store));

  out = paragraph("Rule: ",
                  "a block's bytes times the time between two uses are charged to the tenant whose "
                  "use ended it, the last stretch to the last user; stored: all of it to the "
                  "tenant that stored the block.");
  out += figures(chart("store_charged", "Who is charged, and who stored", "GiB hours"));
  return html + section("What tenants' blocks take up", out + share_table(result, store));
}

}  // namespace scsim::analysis
