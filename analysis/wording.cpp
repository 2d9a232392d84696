#include "analysis/wording.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>
#include <vector>

#include "traces/report/text_table.h"
#include "traces/text.h"

namespace scsim::analysis {
namespace {

// Three significant digits below 1000 of the largest unit that leaves at least 1.
std::string scaled(double value, const std::array<std::string_view, 6>& units) {
  std::size_t unit = 0;
  while (unit + 1 < units.size() && std::abs(value) >= 999.5) {
    value /= 1000;
    ++unit;
  }
  const double size = std::abs(value);
  return format_fixed(value, size < 9.995 ? 2 : size < 99.95 ? 1 : 0) + std::string(units[unit]);
}

// "; missed by interactive, batch and 3 more"; nothing where no class missed.
std::string missed_by_text(const Summary& summary) {
  constexpr std::size_t kNamed = 2, kNameWidth = 20;
  std::string text;
  std::size_t missed = 0;
  for (const SloSummary& slo : summary.slos) {
    if (!slo.has_targets() || slo.share() >= summary.options.slo_share) continue;
    if (++missed <= kNamed)
      text += (missed == 1 ? "; missed by " : ", ") + shortened(slo.name, kNameWidth);
  }
  if (missed > kNamed)
    text += " and " + format_integer(static_cast<std::int64_t>(missed - kNamed)) + " more";
  return text;
}

}  // namespace

std::string estimate_text(const Estimate& estimate) {
  std::string text = format_seconds(estimate.value);
  if (estimate.interval && estimate.value > 0) {
    const double percent = 100 * estimate.interval->half_width / estimate.value;
    text += " ±" + format_fixed(percent, percent < 9.95 ? 1 : 0) + " %";
  }
  return text;
}

std::string targets_text(const SloSummary& slo) {
  std::string text;
  const auto add = [&](const char* name, const std::optional<double>& target) {
    if (target)
      text += (text.empty() ? "" : ", ") + std::string(name) + " " + format_seconds(*target);
  };
  add("TTFT", slo.ttft);
  add("TPOT", slo.tpot);
  add("E2E", slo.e2e);
  return text.empty() ? "none" : text;
}

std::string dollars_text(double dollars) {
  if (dollars >= 1000) return "$" + format_integer(std::llround(dollars));
  return "$" + format_fixed(dollars, dollars >= 1 ? 2 : 4);
}

std::string energy_text(double joules) {
  return joules < 1 ? format_fixed(joules, 3) + " J"
                    : scaled(joules, {" J", " kJ", " MJ", " GJ", " TJ", " PJ"});
}

std::string power_text(double watts) {
  return scaled(watts, {" W", " kW", " MW", " GW", " TW", " PW"});
}

std::string grams_text(double grams) {
  return grams < 1 ? format_fixed(grams * 1000, grams < 0.01 ? 2 : 1) + " mg"
                   : scaled(grams, {" g", " kg", " t", " kt", " Mt", " Gt"});
}

std::string count_text(double count) {
  if (count < 10000) return format_integer(std::llround(count));
  return scaled(count, {"", " k", " M", " G", " T", " P"});
}

std::string flops_text(double per_second) {
  return scaled(per_second,
                {" FLOP/s", " kFLOP/s", " MFLOP/s", " GFLOP/s", " TFLOP/s", " PFLOP/s"});
}

std::string bandwidth_text(double bytes_per_second) {
  return scaled(bytes_per_second, {" B/s", " kB/s", " MB/s", " GB/s", " TB/s", " PB/s"});
}

std::string slo_text(const Summary& summary) {
  const std::optional<bool> met = summary.slo_met();
  if (!met) return "no targets: no request of the trace names a class that has any";
  const Attainment& slo = summary.all.slo;
  std::string text = std::string(*met ? "met" : "NOT met") + ": " + format_percent(slo.share()) +
                     " of " + format_integer(slo.with_targets) +
                     " requests finished within all their targets; wanted: " +
                     format_percent(summary.options.slo_share) + " of each class";
  text += missed_by_text(summary);
  const std::int64_t without = summary.all.requests - slo.with_targets;
  if (without > 0) text += "; " + format_integer(without) + " requests have no target";
  return text;
}

std::string verdict_text(const Summary& summary) {
  const Verdict& verdict = summary.verdict;
  return std::string(kLoadNames[static_cast<std::size_t>(verdict.load)]) +
         (verdict.near_saturation && verdict.load != Load::kOverloaded ? ", near saturation: "
                                                                       : ": ") +
         verdict.sentence;
}

std::string bottleneck_text(const Summary& summary) {
  return std::string(kBottleneckNames[static_cast<std::size_t>(summary.bottleneck.what)]) + ": " +
         summary.bottleneck.sentence;
}

std::string cache_worth_text(const Summary& summary) {
  const CacheWorth& worth = summary.cache_worth;
  if (worth.found_tokens == 0) return "nothing: no prompt token was found in it";
  return "about " + format_seconds(worth.gpu_seconds) + " of GPU time (" +
         format_percent(worth.share_of_run) + " of the run's" +
         (worth.dollars ? ", " + dollars_text(*worth.dollars) : "") + ") that computing the " +
         count_text(static_cast<double>(worth.found_tokens)) +
         " tokens found in the whole run would have taken; an estimate";
}

std::string rates_text(const Summary& summary) {
  const Rates& rates = summary.rates;
  std::string text = "requests: " + format_rate(rates.arrivals) + " arriving, " +
                     format_rate(rates.finished) + " finished";
  if (summary.all.slo.with_targets > 0) {
    text += ", " + format_rate(rates.goodput) + " within the SLO (goodput)";
    if (rates.without_targets > 0)
      text += ", " + format_rate(rates.without_targets) + " without targets";
  }
  return text + "; tokens: " + format_rate(rates.prompt_tokens) + " prompt, " +
         format_rate(rates.generated_tokens) + " generated";
}

std::string money_text(const Money& money) {
  std::string text = dollars_text(money.dollars) + " for the run";
  const auto add = [&](const std::optional<double>& price, const char* of_what) {
    if (price) text += "; " + dollars_text(*price) + " per " + of_what;
  };
  add(money.per_million_tokens, "million tokens, prompt and generated");
  add(money.per_million_generated_tokens, "million generated");
  add(money.per_thousand_within_slo, "thousand requests within the SLO");
  return text;
}

std::string outcomes_text(const GroupSummary& group) {
  std::string text;
  for (std::size_t i = 0; i < kOutcomeNames.size(); ++i) {
    if (group.outcomes[i] == 0) continue;
    std::string name(kOutcomeNames[i]);
    std::ranges::replace(name, '_', ' ');
    text += (text.empty() ? "" : ", ") + format_integer(group.outcomes[i]) + " " + name;
  }
  if (text.empty()) return "no request arrived in the window";
  text += " of " + format_integer(group.requests) + " that arrived in the window";
  if (group.preemptions == 0) return text + "; no preemptions";
  return text + "; " + format_integer(group.preemptions) + " preemptions of " +
         format_integer(group.preempted_requests) + " requests, " +
         count_text(static_cast<double>(group.recomputed_tokens)) + " tokens computed again";
}

std::string engines_on_gpus_text(const ClusterSummary& cluster) {
  return format_integer(cluster.engines) + (cluster.engines == 1 ? " engine on " : " engines on ") +
         format_integer(cluster.gpus) + (cluster.gpus == 1 ? " GPU" : " GPUs");
}

std::string models_text(const Summary& summary) {
  std::vector<std::string> models;
  for (const EngineSummary& engine : summary.engines)
    if (std::ranges::find(models, engine.model) == models.end()) models.push_back(engine.model);
  std::string text;
  for (const std::string& model : models) text += (text.empty() ? "" : ", ") + model;
  return text;
}

std::string title_text(const Result& result) {
  return result.trace.name.empty() ? result.trace_path : result.trace.name;
}

}  // namespace scsim::analysis
