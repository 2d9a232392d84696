#include <algorithm>
#include <array>
#include <functional>

#include "analysis/chart_json.h"
#include "analysis/cluster_timeline.h"
#include "analysis/html_report.h"
#include "analysis/request_times.h"
#include "analysis/store_reports.h"
#include "analysis/summary_parts.h"
#include "traces/text.h"

namespace scsim::analysis {
namespace {

constexpr std::size_t kTimelinePoints = 400;
constexpr std::size_t kTenantCurves = 4, kTargetLines = 4;
constexpr std::size_t kStageRows = 8;
constexpr std::size_t kLedgerEngines = 24;  // more: the busiest and the idlest half of that many

// Shares at which a distribution is drawn: even steps, finer in the tail.
std::vector<double> curve_shares() {
  std::vector<double> shares;
  for (int i = 0; i < 98; ++i) shares.push_back(i / 100.0);
  for (int i = 980; i < 999; ++i) shares.push_back(i / 1000.0);
  for (int i = 9990; i <= 10000; ++i) shares.push_back(i / 10000.0);
  return shares;
}

using Latency = std::function<std::optional<double>(const RequestResult&)>;

// The distribution of one latency over finished requests of the window, all or of one tenant.
std::string curve(const Result& result, const Window& window, const std::string& name,
                  std::optional<std::uint32_t> tenant, const Latency& latency) {
  std::vector<double> values;
  for (const RequestResult& r : result.requests) {
    if (!finished(r) || !window.measures(r) || (tenant && r.tenant != *tenant)) continue;
    if (const std::optional<double> value = latency(r)) values.push_back(*value);
  }
  std::ranges::sort(values);
  std::vector<double> seconds, shares;
  if (!values.empty())
    for (double share : curve_shares()) {
      seconds.push_back(
          values[static_cast<std::size_t>(share * static_cast<double>(values.size() - 1))]);
      shares.push_back(share);
    }
  return object({member("name", json_quote(name)), member("seconds", numbers(seconds)),
                 member("shares", numbers(shares))});
}

struct TenantCount {
  std::uint32_t tenant = 0;
  std::int64_t requests = 0;
};

std::vector<TenantCount> largest_tenants(const Result& result, const Window& window) {
  std::vector<TenantCount> counts;
  for (const RequestResult& r : result.requests) {
    if (!window.measures(r)) continue;
    while (counts.size() <= r.tenant)
      counts.push_back({static_cast<std::uint32_t>(counts.size()), 0});
    ++counts[r.tenant].requests;
  }
  std::ranges::stable_sort(counts, std::ranges::greater{}, &TenantCount::requests);
  std::erase_if(counts, [](const TenantCount& count) { return count.requests == 0; });
  if (counts.size() < 2) counts.clear();
  if (counts.size() > kTenantCurves) counts.resize(kTenantCurves);
  return counts;
}

std::string targets(const Summary& summary, std::optional<double> SloSummary::*target) {
  std::vector<std::string> items;
  for (const SloSummary& slo : summary.slos)
    if (slo.*target && items.size() < kTargetLines)
      items.push_back(object({member("name", json_quote(slo.name)),
                              member("seconds", format_shortest(*(slo.*target)))}));
  return array(items);
}

std::string distributions(const Result& result, const Summary& summary) {
  const std::vector<TenantCount> tenants = largest_tenants(result, summary.window);
  const auto chart = [&](const Latency& latency, std::optional<double> SloSummary::*target) {
    std::vector<std::string> curves = {curve(result, summary.window, "all", std::nullopt, latency)};
    for (const TenantCount& tenant : tenants)
      curves.push_back(curve(result, summary.window, tenant_name(result, tenant.tenant),
                             tenant.tenant, latency));
    return object({member("curves", array(curves)), member("targets", targets(summary, target))});
  };
  return object(
      {member("ttft", chart([](const RequestResult& r) { return ttft(r); }, &SloSummary::ttft)),
       member("tpot", chart([](const RequestResult& r) { return tpot(r); }, &SloSummary::tpot)),
       member("e2e", chart([](const RequestResult& r) { return std::optional(e2e(r)); },
                           &SloSummary::e2e))});
}

std::string band(const Band& band) {
  return object({member("mean", numbers(band.mean)), member("low", numbers(band.low)),
                 member("high", numbers(band.high))});
}

std::string timeline(const Result& result, const Summary& summary) {
  const ClusterTimeline timeline = cluster_timeline(result, kTimelinePoints);
  return object({member("point_seconds", format_shortest(timeline.point_seconds)),
                 member("engines", format_shortest(static_cast<double>(timeline.engines))),
                 member("window", numbers({summary.window.begin.seconds().value(),
                                           summary.window.end.seconds().value()})),
                 member("running", band(timeline.running)),
                 member("waiting", band(timeline.waiting)), member("used", band(timeline.used)),
                 member("cached", band(timeline.cached)), member("busy", band(timeline.busy))});
}

std::string stage_names(bool with_idle) {
  std::vector<std::string> names(kStageNames.begin(), kStageNames.end());
  if (with_idle) names.emplace_back("idle");
  return texts(names);
}

// Mean seconds of a request by stage: all, the largest tenants, the first turns.
std::string request_stages(const Summary& summary) {
  std::vector<std::string> rows;
  const auto add = [&](const std::string& name, const GroupSummary& group) {
    if (rows.size() < kStageRows && group.finished() > 0)
      rows.push_back(row(name, {group.stage_seconds.begin(), group.stage_seconds.end()}));
  };
  add("all", summary.all);
  std::vector<const GroupSummary*> tenants;
  for (const GroupSummary& tenant : summary.tenants) tenants.push_back(&tenant);
  std::ranges::stable_sort(tenants, std::ranges::greater{}, &GroupSummary::requests);
  if (tenants.size() > 1)
    for (std::size_t i = 0; i < std::min(kTenantCurves, tenants.size()); ++i)
      add(tenants[i]->name, *tenants[i]);
  if (summary.turns.size() > 1)
    for (const GroupSummary& turn : summary.turns) add("turn " + turn.name, turn);
  return object({member("stages", stage_names(false)), member("rows", array(rows))});
}

// Shares of each engine's time.
std::string ledger(const Summary& summary) {
  std::vector<std::size_t> order(summary.engines.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  if (order.size() > kLedgerEngines) {
    std::ranges::stable_sort(order, std::ranges::greater{},
                             [&](std::size_t i) { return summary.engines[i].busy_seconds(); });
    order.erase(order.begin() + kLedgerEngines / 2, order.end() - kLedgerEngines / 2);
  }
  std::vector<std::string> rows;
  for (std::size_t i : order) {
    const EngineSummary& engine = summary.engines[i];
    const double total = engine.busy_seconds() + engine.idle_seconds;
    std::vector<double> parts(engine.stage_seconds.begin(), engine.stage_seconds.end());
    parts.push_back(engine.idle_seconds);
    for (double& part : parts) part = total > 0 ? part / total : 0;
    rows.push_back(row(engine.pool + " " + format_integer(static_cast<std::int64_t>(i)), parts));
  }
  return object({member("stages", stage_names(true)), member("rows", array(rows))});
}

std::string turns(const Summary& summary) {
  std::vector<std::string> names;
  std::vector<double> hits, within;
  for (const GroupSummary& turn : summary.turns) {
    names.push_back(turn.name);
    hits.push_back(turn.hits.ratio());
    if (turn.slo.with_targets > 0) within.push_back(turn.slo.share());
  }
  if (within.size() < names.size()) within.clear();
  return object({member("names", texts(names)), member("hits", numbers(hits)),
                 member("within", numbers(within))});
}

// Shares of requests that met each target; null where a class does not have it.
std::string slos(const Summary& summary) {
  std::vector<std::string> names;
  std::vector<std::optional<double>> first, token, end, all;
  for (const SloSummary& slo : summary.slos) {
    if (!slo.has_targets()) continue;
    const auto part = [&](const std::optional<double>& target, std::int64_t met) {
      return target ? std::optional(static_cast<double>(met) / static_cast<double>(slo.requests))
                    : std::nullopt;
    };
    names.push_back(slo.name);
    first.push_back(part(slo.ttft, slo.met_ttft));
    token.push_back(part(slo.tpot, slo.met_tpot));
    end.push_back(part(slo.e2e, slo.met_e2e));
    all.push_back(slo.share());
  }
  return object({member("names", texts(names)), member("ttft", numbers_or_null(first)),
                 member("tpot", numbers_or_null(token)), member("e2e", numbers_or_null(end)),
                 member("all", numbers_or_null(all)),
                 member("wanted", format_shortest(summary.options.slo_share))});
}

}  // namespace

std::string html_chart_data(const Result& result, const Summary& summary) {
  std::vector<std::string> charts = {member("distributions", distributions(result, summary)),
                                     member("timeline", timeline(result, summary)),
                                     member("request_stages", request_stages(summary)),
                                     member("ledger", ledger(summary)),
                                     member("lifetimes", lifetime_chart(result.lifetimes)),
                                     member("turns", turns(summary)),
                                     member("slos", slos(summary))};
  if (summary.store) charts.push_back(member("store", store_chart_data(result, summary)));
  return object(charts);
}

}  // namespace scsim::analysis
