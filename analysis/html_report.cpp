#include "analysis/html_report.h"

#include <algorithm>

#include "analysis/costs_report.h"
#include "analysis/failures.h"
#include "analysis/html_assets.h"
#include "analysis/html_tables.h"
#include "analysis/scaling.h"
#include "analysis/store_reports.h"
#include "analysis/wording.h"
#include "traces/report/html_elements.h"
#include "traces/text.h"

namespace scsim::analysis {
namespace {

std::string seconds_cell(const Distribution& d, const Estimate& e) {
  return d.count == 0 ? "–" : estimate_text(e);
}

std::string latency_table(const GroupSummary& group) {
  HtmlTable table({"", "requests", "mean", "p50", "p90", "p99", "worst"});
  const auto add = [&](const char* name, const Distribution& d) {
    table.add({name, format_integer(d.count), seconds_cell(d, d.mean), seconds_cell(d, d.p50),
               seconds_cell(d, d.p90), seconds_cell(d, d.p99),
               d.count == 0 ? "–" : format_seconds(d.worst)});
  };
  add("TTFT", group.ttft);
  add("TPOT", group.tpot);
  add("E2E", group.e2e);
  if (group.itl.count > 0) {
    const Distribution& d = group.itl;
    table.add({"ITL", format_integer(d.count) + " gaps", estimate_text(d.mean),
               estimate_text(d.p50), estimate_text(d.p90), estimate_text(d.p99),
               format_seconds(d.worst)});
  }
  return table.html();
}

std::string group_table(std::string_view first_column, const std::vector<GroupSummary>& groups) {
  HtmlTable table(
      {std::string(first_column), "requests", "finished", "TTFT p50", "TTFT p99", "TPOT p50",
       "TPOT p99", "ITL p99", "E2E p50", "E2E p99", "hit ratio", "within SLO", "preemptions"},
      "wide");
  for (std::size_t i = 0; i < std::min(kTableRows, groups.size()); ++i) {
    const GroupSummary& g = groups[i];
    table.add({g.name, format_integer(g.requests), format_integer(g.finished()),
               seconds_cell(g.ttft, g.ttft.p50), seconds_cell(g.ttft, g.ttft.p99),
               seconds_cell(g.tpot, g.tpot.p50), seconds_cell(g.tpot, g.tpot.p99),
               seconds_cell(g.itl, g.itl.p99), seconds_cell(g.e2e, g.e2e.p50),
               seconds_cell(g.e2e, g.e2e.p99), format_percent(g.hits.ratio()),
               g.slo.with_targets > 0 ? format_percent(g.slo.share()) : "–",
               format_integer(g.preemptions)});
  }
  return table.html() + rows_left_out(groups.size());
}

std::string slo_table(const Summary& summary) {
  HtmlTable table({"class", "targets", "requests", "met TTFT", "met TPOT", "met E2E", "met all"});
  for (const SloSummary& slo : summary.slos) {
    const auto part = [&](bool target, std::int64_t met) {
      if (!target) return std::string("–");
      return format_percent(static_cast<double>(met) / static_cast<double>(slo.requests));
    };
    table.add({slo.name, targets_text(slo), format_integer(slo.requests),
               part(slo.ttft.has_value(), slo.met_ttft), part(slo.tpot.has_value(), slo.met_tpot),
               part(slo.e2e.has_value(), slo.met_e2e), part(slo.has_targets(), slo.within)});
  }
  return table.html();
}

std::string engine_table(const Summary& summary) {
  HtmlTable table({"engine", "model", "GPUs", "busy", "running", "waiting", "KV used", "KV peak",
                   "KV cached", "HBM", "of peak", "compute", "of peak", "preemptions", "evicted"});
  const auto share = [](const std::optional<double>& value) {
    return value ? format_percent(*value) : "–";
  };
  const auto mean = [](const std::optional<double>& value) {
    return value ? format_fixed(*value, 1) : "–";
  };
  const auto of_peak = [](double achieved, double peak) {
    return peak > 0 ? format_percent(achieved / peak) : "–";
  };
  for (std::size_t i = 0; i < std::min(kTableRows, summary.engines.size()); ++i) {
    const EngineSummary& e = summary.engines[i];
    table.add({e.pool + " " + format_integer(static_cast<std::int64_t>(i)), e.model,
               format_integer(e.gpus), share(e.utilisation), mean(e.running), mean(e.waiting),
               share(e.used), format_percent(e.peak_used), share(e.cached),
               bandwidth_text(e.hbm_bytes_per_second),
               of_peak(e.hbm_bytes_per_second, e.peak_hbm_bytes_per_second),
               flops_text(e.flops_per_second), of_peak(e.flops_per_second, e.peak_flops_per_second),
               format_integer(e.preemptions), format_integer(e.evicted_blocks)});
  }
  return table.html() + rows_left_out(summary.engines.size());
}

std::string banner(const Summary& summary) {
  if (summary.honesty.empty()) return "";
  std::string items;
  for (const std::string& line : summary.honesty) items += element("li", escaped(line));
  return element("aside", element("b", "What these numbers rest on") + element("ul", items));
}

std::string latency_card(std::string_view name, const Distribution& d) {
  if (d.count == 0) return card(name, "–", "");
  return card(name, format_seconds(d.p50.value), "median; p99 " + format_seconds(d.p99.value));
}

std::string cards(const Summary& summary) {
  const GroupSummary& all = summary.all;
  const std::optional<bool> met = summary.slo_met();
  const Rates& rates = summary.rates;
  std::string out = card("SLO", met ? (*met ? "met" : "not met") : "no targets",
                         met ? format_percent(all.slo.share()) + " within all targets" : "",
                         met ? (*met ? "good" : "bad") : "");
  const Verdict& verdict = summary.verdict;
  out += card("Load", kLoadNames[static_cast<std::size_t>(verdict.load)],
              verdict.near_saturation ? "near saturation" : "",
              verdict.load == Load::kStable && !verdict.near_saturation ? "good"
              : verdict.load == Load::kNotJudged                        ? ""
                                                                        : "bad");
  out +=
      card("Bottleneck", kBottleneckNames[static_cast<std::size_t>(summary.bottleneck.what)], "");
  out += card("Goodput", met ? format_rate(rates.goodput) : "–",
              "of " + format_rate(rates.finished) + " requests finished");
  out += latency_card("TTFT", all.ttft);
  out += latency_card("TPOT", all.tpot);
  out += latency_card("E2E", all.e2e);
  out += card("Hit ratio", format_percent(all.hits.ratio()), "of prompt tokens");
  out += card("Cache worth", format_percent(summary.cache_worth.share_of_run),
              "of the run's GPU time, an estimate");
  if (summary.cluster.utilisation)
    out += card("Engines busy", format_percent(*summary.cluster.utilisation), "of the window");
  if (summary.money && summary.money->per_million_tokens)
    out += card("Price", dollars_text(*summary.money->per_million_tokens), "per million tokens");
  return element("div", out, "cards");
}

std::string answers(const Result& result, const Summary& summary) {
  std::string out = paragraph("SLO: ", slo_text(summary));
  out += paragraph("Load: ", verdict_text(summary));
  out += paragraph("Bottleneck: ", bottleneck_text(summary));
  out += paragraph("Rates: ", rates_text(summary));
  out += paragraph("Cache: ", "worth " + cache_worth_text(summary));
  if (summary.money) out += paragraph("Money: ", money_text(*summary.money));
  out += paragraph("Outcomes: ", outcomes_text(summary.all));
  if (const std::string scaling = scaling_text(result); !scaling.empty())
    out += paragraph("Scaling: ", scaling);
  if (summary.fairness) out += paragraph("Fairness: ", fairness_text(*summary.fairness));
  return out + paragraph("Measured: ", window_sentence(summary.window));
}

std::string sections(const Result& result, const Summary& summary) {
  std::string out = section("Answers", answers(result, summary));
  out += section("Latency", latency_table(summary.all) +
                                figures(chart("ttft", "Time to first token", "share within") +
                                        chart("tpot", "Time per output token", "share within") +
                                        chart("e2e", "End to end", "share within")));
  if (summary.slo_met())
    out += section(
        "Service levels",
        slo_table(summary) + figures(chart("slos", "Targets met by class", "dashed: wanted")));
  out += section("Where the time went",
                 figures(chart("request_stages", "A request's seconds", "mean by stage") +
                         chart("ledger", "Engines' seconds", "share of the whole run")));
  out += section("Over time",
                 figures(chart("over_time_requests", "Requests", "per engine") +
                         chart("over_time_blocks", "KV blocks", "share of the pool, per engine") +
                         chart("over_time_busy", "Engines busy", "share of the time")));
  out += section("Cache",
                 figures(chart("turns", "By turn of a session") +
                         chart("lifetimes", "Lifetimes of KV blocks", "by the reason they ended")) +
                     lifetime_table(summary.lifetimes));
  out += store_html(result, summary);
  out += failures_html(result, summary);
  out += costs_html(summary);
  out += section("Tenants", group_table("tenant", summary.tenants));
  out += section("Turns", group_table("turn, from 0", summary.turns));
  return out + section("Engines", engine_table(summary));
}

std::string about(const Result& result) {
  std::string rows;
  const auto add = [&](std::string_view term, std::string_view text) {
    if (!text.empty()) rows += element("dt", escaped(term)) + element("dd", escaped(text));
  };
  add("made by", result.made_by);
  add("version", result.tool_version);
  add("trace", result.trace_path);
  add("trace made by", result.trace.made_by);
  add("notes of the trace", result.trace.notes);
  add("router", result.router);
  return section("This run", element("dl", rows) + element("pre", escaped(result.cluster_text)));
}

std::string definition_list(const Summary& summary) {
  std::string rows;
  const auto add = [&](const std::vector<Definition>& of) {
    for (const Definition& definition : of)
      rows += element("dt", escaped(definition.term)) + element("dd", escaped(definition.sentence));
  };
  add(definitions());
  if (summary.costs) add(cost_definitions());
  if (summary.store) add(store_definitions());
  return section("Definitions", element("dl", rows));
}

}  // namespace

std::string html_report(const Result& result, const Summary& summary) {
  const std::string title = title_text(result);
  const std::string what = format_integer(static_cast<std::int64_t>(result.requests.size())) +
                           " requests · " + models_text(summary) + " · " +
                           engines_on_gpus_text(summary.cluster) + " · router " + result.router +
                           " · " + format_seconds(summary.run_seconds) + " simulated";
  const std::string content =
      element("header", element("h1", escaped(title)) + element("p", escaped(what))) +
      banner(summary) + cards(summary) + sections(result, summary) + about(result) +
      definition_list(summary);
  std::vector<std::string_view> scripts = {report_js()};
  if (summary.store) scripts.push_back(store_js());
  return html_page(title, content, html_chart_data(result, summary), scripts);
}

}  // namespace scsim::analysis
