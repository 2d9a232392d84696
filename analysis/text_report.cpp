#include "analysis/text_report.h"

#include <algorithm>

#include "analysis/cluster_timeline.h"
#include "analysis/costs_report.h"
#include "analysis/failures.h"
#include "analysis/scaling.h"
#include "analysis/store_reports.h"
#include "analysis/wording.h"
#include "traces/report/text_table.h"
#include "traces/text.h"

namespace scsim::analysis {
namespace {

constexpr std::size_t kMostLines = 60;
constexpr std::size_t kStoreLines = 14;    // more of them for a cluster with a store
constexpr std::size_t kEnergyLines = 10;   // and for what it costs whom
constexpr std::size_t kTransferLines = 5;  // and with pools of roles
constexpr std::size_t kSparkPoints = 60;
constexpr std::size_t kIndent = 12;
constexpr std::size_t kTableIndent = 2;
constexpr std::size_t kNameWidth = 20;
constexpr double kSmallestShown = 0.0005;  // of a breakdown

// How many rows of the parts that have one per tenant, turn, class or warning.
struct Detail {
  std::size_t rows, warnings;
};
constexpr Detail kDetails[] = {{4, 8}, {2, 8}, {1, 6}, {0, 4}};

std::string section(std::string_view name, std::string_view text) {
  std::string head(name);
  head.resize(std::max(kIndent, head.size() + 1), ' ');
  return wrapped(head, text);
}

std::string more_of(std::size_t all, std::size_t shown, std::string_view what) {
  if (all <= shown) return "";
  return std::string(kIndent, ' ') + "and " +
         format_integer(static_cast<std::int64_t>(all - shown)) + " more " + std::string(what) +
         " in summary.json and report.html (--out)\n";
}

std::string head(const Result& result, const Summary& summary) {
  return wrapped("", shortened(title_text(result), 40) + ": " +
                         format_integer(static_cast<std::int64_t>(result.requests.size())) +
                         " requests to " + engines_on_gpus_text(summary.cluster) + ", " +
                         shortened(models_text(summary), 40) + ", router " + result.router + ", " +
                         format_seconds(summary.run_seconds) + " simulated") +
         section("Measured", window_sentence(summary.window));
}

std::string warnings(const Summary& summary, std::size_t most) {
  std::string text;
  const std::size_t shown = std::min(most, summary.honesty.size());
  for (std::size_t i = 0; i < shown; ++i) text += wrapped("! ", summary.honesty[i]);
  return text + more_of(summary.honesty.size(), shown, "warnings");
}

std::string slo_table(const Summary& summary, std::size_t rows) {
  if (!summary.slo_met()) return "";
  TextTable table({"class", "requests", "TTFT met", "TPOT met", "E2E met", "all", "targets"});
  const std::size_t shown = std::min(rows, summary.slos.size());
  if (shown == 0) return more_of(summary.slos.size(), 0, "classes");
  for (std::size_t i = 0; i < shown; ++i) {
    const SloSummary& slo = summary.slos[i];
    const auto part = [&](const std::optional<double>& target, std::int64_t met) {
      if (!target) return std::string("-");
      return format_percent(static_cast<double>(met) / static_cast<double>(slo.requests));
    };
    table.add({shortened(slo.name, kNameWidth), format_integer(slo.requests),
               part(slo.ttft, slo.met_ttft), part(slo.tpot, slo.met_tpot),
               part(slo.e2e, slo.met_e2e), slo.has_targets() ? format_percent(slo.share()) : "-",
               targets_text(slo)});
  }
  return table.text(kTableIndent) + more_of(summary.slos.size(), shown, "classes");
}

std::string latency_table(const Summary& summary) {
  TextTable table({"Latency", "mean", "p50", "p90", "p99", "worst"});
  const auto add = [&](const char* name, const Distribution& d) {
    if (d.count == 0)
      table.add({name, "-", "-", "-", "-", "-"});
    else
      table.add({name, estimate_text(d.mean), estimate_text(d.p50), estimate_text(d.p90),
                 estimate_text(d.p99), format_seconds(d.worst)});
  };
  add("TTFT", summary.all.ttft);
  add("TPOT", summary.all.tpot);
  add("ITL", summary.all.itl);
  add("E2E", summary.all.e2e);
  return table.text(0);
}

// Tenants by requests, the largest first; turns in order.
std::string group_table(const Summary& summary, std::size_t rows) {
  std::vector<const GroupSummary*> tenants;
  for (const GroupSummary& group : summary.tenants) tenants.push_back(&group);
  std::ranges::stable_sort(tenants, std::ranges::greater{}, &GroupSummary::requests);
  if (tenants.size() < 2 && summary.turns.size() < 2) return "";

  TextTable table({"Group", "requests", "TTFT p50", "p99", "TPOT p50", "p99", "E2E p99",
                   "hit ratio", "within SLO"});
  const auto add = [&](const std::string& name, const GroupSummary& g) {
    const auto seconds = [](const Distribution& d, const Estimate& e) {
      return d.count == 0 ? std::string("-") : format_seconds(e.value);
    };
    table.add({shortened(name, kNameWidth), format_integer(g.requests), seconds(g.ttft, g.ttft.p50),
               seconds(g.ttft, g.ttft.p99), seconds(g.tpot, g.tpot.p50),
               seconds(g.tpot, g.tpot.p99), seconds(g.e2e, g.e2e.p99),
               format_percent(g.hits.ratio()),
               g.slo.with_targets > 0 ? format_percent(g.slo.share()) : "-"});
  };
  std::size_t left_out = 0;
  if (tenants.size() > 1) {
    for (std::size_t i = 0; i < std::min(rows, tenants.size()); ++i)
      add(tenants[i]->name, *tenants[i]);
    left_out += tenants.size() - std::min(rows, tenants.size());
  }
  if (summary.turns.size() > 1) {
    for (std::size_t i = 0; i < std::min(rows, summary.turns.size()); ++i)
      add("turn " + summary.turns[i].name, summary.turns[i]);
    left_out += summary.turns.size() - std::min(rows, summary.turns.size());
  }
  return (rows > 0 ? table.text(0) : "") + more_of(left_out, 0, "tenants and turns");
}

// `transfer` is the part of retrieval that was spent on KV coming from a prefill engine.
std::string breakdown(const PerStage<double>& seconds, double idle, bool with_seconds,
                      double transfer = 0) {
  double total = idle;
  for (double stage : seconds) total += stage;
  if (total <= 0) return "nothing";
  std::string text;
  const auto add = [&](std::string_view name, double part) {
    if (part / total < kSmallestShown) return;
    text += (text.empty() ? "" : ", ") + std::string(name) + " " + format_percent(part / total);
    if (with_seconds) text += " (" + format_seconds(part) + ")";
  };
  for (std::size_t s = 0; s < kNumStages; ++s) {
    const bool retrieval = static_cast<Stage>(s) == Stage::kRetrieval;
    add(kStageNames[s], retrieval ? seconds[s] - transfer : seconds[s]);
    if (retrieval) add("kv transfer", transfer);
  }
  add("idle", idle);
  return text;
}

std::string engines_text(const ClusterSummary& cluster) {
  std::string text;
  if (cluster.utilisation)
    text = "busy " + format_percent(*cluster.utilisation) + " of the window; ";
  return text +
         "whole run: " + breakdown(cluster.stage_gpu_seconds, cluster.idle_gpu_seconds, false);
}

std::string lifetimes(const Summary& summary) {
  std::string text;
  for (const LifetimeSummary& life : summary.lifetimes) {
    if (life.blocks == 0) continue;
    text += (text.empty() ? "" : "; ") + count_text(static_cast<double>(life.blocks)) + " " +
            reason_text(life.reason) + " (lived " + format_seconds(life.p50) + " at the median, " +
            format_seconds(life.mean) + " on average)";
  }
  return text.empty() ? "no block was made" : text;
}

std::string cache_part(const Summary& summary) {
  const HitRatio& hits = summary.all.hits;
  return section("Cache", format_percent(hits.ratio()) + " of prompt tokens found (" +
                              count_text(static_cast<double>(hits.found_tokens)) + " of " +
                              count_text(static_cast<double>(hits.prompt_tokens)) + "); worth " +
                              cache_worth_text(summary)) +
         section("KV blocks", lifetimes(summary));
}

std::string bytes_part(const Summary& summary) {
  const ClusterSummary& cluster = summary.cluster;
  if (cluster.peak_hbm_bytes_per_second <= 0 || cluster.peak_flops_per_second <= 0) return "";
  return section(
      "Roofline",
      "while busy, engines together move " + bandwidth_text(cluster.hbm_bytes_per_second) +
          " of HBM (" +
          format_percent(cluster.hbm_bytes_per_second / cluster.peak_hbm_bytes_per_second) +
          " of peak) and do " + flops_text(cluster.flops_per_second) + " (" +
          format_percent(cluster.flops_per_second / cluster.peak_flops_per_second) + " of peak)");
}

std::string sparkline(const std::vector<double>& values, double scale) {
  constexpr std::string_view kBars[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  std::string text;
  for (double value : values) {
    const double part = scale > 0 ? std::clamp(value / scale, 0.0, 1.0) : 0;
    const auto level = static_cast<std::size_t>(part * 8 + 0.5);
    text += kBars[level == 0 && value > 0 ? 1 : level];
  }
  return text;
}

// 0.14, 3.2, 6,052
std::string count_text_of_few(double count) {
  return count < 10 ? format_fixed(count, count < 1 ? 2 : 1) : count_text(count);
}

std::string over_time(const Result& result) {
  const ClusterTimeline timeline = cluster_timeline(result, kSparkPoints);
  if (timeline.points() == 0) return "";
  const auto engines = static_cast<double>(timeline.engines);
  const double most_waiting = std::ranges::max(timeline.waiting.mean);
  std::string text = section("Over time", format_seconds(timeline.point_seconds) + " a column");
  text += "  KV used   |" + sparkline(timeline.used.mean, 1) + "| to " +
          format_percent(std::ranges::max(timeline.used.mean)) + "\n";
  text += "  waiting   |" + sparkline(timeline.waiting.mean, most_waiting) + "| to " +
          count_text_of_few(most_waiting * engines) + " requests\n";
  return text;
}

std::string footer(const Summary& summary) {
  const std::string store =
      summary.store
          ? " Store: fetched for the first admission; of tiers the whole run, used in the "
            "window; residence and reuse (time between two uses of a block): medians."
          : "";
  return wrapped(
      "",
      "TTFT runs from arrival at the router to the end of the step that samples the first token. "
      "TPOT = (end - first token) / (output tokens - 1). ITL: gaps between tokens, whole run. Hit "
      "ratio = prompt tokens found at first admission / prompt tokens of admitted requests. Within "
      "SLO: finished within every target of the class / requests with targets. Goodput: those per "
      "second. ±: 95 % by batch means, none where requests are too few. Cache worth = found tokens "
      "x "
      "generation seconds per computed token." +
          store);
}

std::string compose(const Result& result, const Summary& summary, const Detail& detail) {
  std::string text = head(result, summary) + warnings(summary, detail.warnings) + "\n";
  text += section("SLO", slo_text(summary)) + slo_table(summary, detail.rows);
  if (summary.answers)
    text += section("Answers", answers_text(*summary.answers)) + answers_table(*summary.answers);
  text += section("Verdict", verdict_text(summary));
  text += section("Bottleneck", bottleneck_text(summary));
  text += section("Rates", rates_text(summary));
  if (summary.money) text += section("Money", money_text(*summary.money));
  if (summary.costs && summary.costs->has_energy)
    text += section("Energy", energy_sentence(summary)) + costs_table(summary, detail.rows);
  text += section("Outcomes", outcomes_text(summary.all));
  if (!result.failures.empty()) text += section("Failures", failures_text(result, summary));
  if (const std::string scaling = scaling_text(result); !scaling.empty())
    text += section("Scaling", scaling);
  if (summary.fairness) text += section("Fairness", fairness_text(*summary.fairness));
  text += "\n";
  text += latency_table(summary) + group_table(summary, detail.rows) + "\n";
  text += cache_part(summary) + store_text(result, summary, detail.rows);
  if (summary.transfers) text += section("Hand-over", transfer_text(*summary.transfers));
  text += section("Requests",
                  "spend " + breakdown(summary.all.stage_seconds, 0, true,
                                       summary.transfers ? summary.transfers->wait_seconds : 0));
  text += section("Engines", engines_text(summary.cluster));
  text += bytes_part(summary) + over_time(result) + "\n";
  return text + footer(summary);
}

}  // namespace

std::string text_report(const Result& result, const Summary& summary) {
  const bool energy = summary.costs && summary.costs->has_energy;
  const std::size_t most = kMostLines + (summary.store ? kStoreLines : 0) +
                           (energy ? kEnergyLines : 0) + (summary.transfers ? kTransferLines : 0);
  std::string text;
  for (const Detail& detail : kDetails) {
    text = compose(result, summary, detail);
    if (static_cast<std::size_t>(std::ranges::count(text, '\n')) <= most) break;
  }
  return text;
}

}  // namespace scsim::analysis
