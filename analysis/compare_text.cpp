#include <algorithm>
#include <cmath>

#include "analysis/compare.h"
#include "analysis/wording.h"
#include "traces/report/text_table.h"
#include "traces/text.h"

namespace scsim::analysis {
namespace {

constexpr std::size_t kNameWidth = 60;
constexpr std::size_t kClusterLines = 6;

std::string signed_seconds(double seconds) {
  return (seconds > 0 ? "+" : "") + format_seconds(seconds);
}

// "+3.1 %" of A; nothing where A has none.
std::string change(double a, double b) {
  if (a == 0) return b == 0 ? "0.0 %" : "";
  const double part = (b - a) / std::abs(a);
  return (part > 0 ? "+" : "") + format_percent(part);
}

class SideBySide {
 public:
  void add(const std::string& name, const std::string& a, const std::string& b,
           const std::string& how = "") {
    table_.add({name, a, b, how});
  }
  void seconds(const std::string& name, const Distribution& a, const Distribution& b,
               Estimate Distribution::*which) {
    if (a.count == 0 || b.count == 0) return;
    add(name, estimate_text(a.*which), estimate_text(b.*which),
        change((a.*which).value, (b.*which).value));
  }
  void rate(const std::string& name, double a, double b) {
    add(name, format_rate(a), format_rate(b), change(a, b));
  }
  void share(const std::string& name, double a, double b) {
    const double points = 100 * (b - a);
    add(name, format_percent(a), format_percent(b),
        (points > 0 ? "+" : "") + format_fixed(points, 1) + " points");
  }
  std::string text() const { return table_.text(0); }

 private:
  TextTable table_{{"", "A", "B", "B - A"}};
};

// Tiers that either has, by name.
std::vector<std::string> tiers_of(const Summary& a, const Summary& b) {
  std::vector<std::string> names;
  for (const Summary* summary : {&a, &b}) {
    if (!summary->store) continue;
    for (const TierSummary& tier : summary->store->tiers)
      if (std::ranges::find(names, tier.name) == names.end()) names.push_back(tier.name);
  }
  return names;
}

double tier_hits(const Summary& summary, const std::string& name) {
  double ratio = 0;
  if (summary.store)
    for (const TierSummary& tier : summary.store->tiers)
      if (tier.name == name) ratio += tier.hit_ratio;
  return ratio;
}

std::string side_by_side(const Summary& a, const Summary& b) {
  SideBySide table;
  const auto latency = [&](const std::string& name, Distribution GroupSummary::*d) {
    table.seconds(name + " mean", a.all.*d, b.all.*d, &Distribution::mean);
    table.seconds(name + " p50", a.all.*d, b.all.*d, &Distribution::p50);
    table.seconds(name + " p90", a.all.*d, b.all.*d, &Distribution::p90);
    table.seconds(name + " p99", a.all.*d, b.all.*d, &Distribution::p99);
  };
  latency("TTFT", &GroupSummary::ttft);
  latency("TPOT", &GroupSummary::tpot);
  latency("ITL", &GroupSummary::itl);
  latency("E2E", &GroupSummary::e2e);
  if (a.all.slo.with_targets > 0 && b.all.slo.with_targets > 0) {
    table.share("within SLO", a.all.slo.share(), b.all.slo.share());
    table.rate("goodput", a.rates.goodput, b.rates.goodput);
  }
  table.rate("requests finished", a.rates.finished, b.rates.finished);
  table.rate("prompt tokens", a.rates.prompt_tokens, b.rates.prompt_tokens);
  table.rate("generated tokens", a.rates.generated_tokens, b.rates.generated_tokens);
  table.share("hit ratio", a.all.hits.ratio(), b.all.hits.ratio());
  for (const std::string& tier : tiers_of(a, b))
    table.share("hit ratio, " + shortened(tier, 20), tier_hits(a, tier), tier_hits(b, tier));
  table.add("preemptions", format_integer(a.all.preemptions), format_integer(b.all.preemptions),
            change(static_cast<double>(a.all.preemptions), static_cast<double>(b.all.preemptions)));
  if (a.cluster.utilisation && b.cluster.utilisation)
    table.share("engines busy", *a.cluster.utilisation, *b.cluster.utilisation);
  if (a.money && b.money) {
    const auto price = [&](const std::string& name, std::optional<double> Money::*which) {
      const auto &x = (*a.money).*which, &y = (*b.money).*which;
      if (x && y) table.add(name, dollars_text(*x), dollars_text(*y), change(*x, *y));
    };
    price("per million tokens", &Money::per_million_tokens);
    price("per thousand within SLO", &Money::per_thousand_within_slo);
  }
  const auto load = [](const Summary& s) {
    return std::string(kLoadNames[static_cast<std::size_t>(s.verdict.load)]);
  };
  table.add("load", load(a), load(b));
  const auto bottleneck = [](const Summary& s) {
    return std::string(kBottleneckNames[static_cast<std::size_t>(s.bottleneck.what)]);
  };
  table.add("bottleneck", bottleneck(a), bottleneck(b));
  return table.text();
}

std::string signed_estimate(const Estimate& estimate) {
  std::string text = signed_seconds(estimate.value);
  if (estimate.interval) text += " ±" + format_seconds(estimate.interval->half_width);
  return text;
}

// Whether the interval of the mean difference leaves out 0.
std::string conclusion(const PairedMetric& metric) {
  const Estimate& mean = metric.difference.mean;
  if (!mean.interval) return "too few pairs to say";
  if (std::abs(mean.value) <= mean.interval->half_width) return "no difference shown";
  const std::string text = mean.value < 0 ? "B is faster" : "B is slower";
  return mean.interval->correlated ? text + "; interval too narrow" : text;
}

std::string paired_part(const Comparison& comparison) {
  std::string text =
      wrapped("", "Paired by request: " + format_integer(comparison.pairs) +
                      " finished and were measured in both; " +
                      format_integer(comparison.finished_only_in_a) + " finished in A only, " +
                      format_integer(comparison.finished_only_in_b) + " in B only.");
  TextTable table({"B - A", "mean", "median", "better", "same", "worse", ""});
  for (const PairedMetric& metric : comparison.paired) {
    if (metric.difference.count == 0) continue;
    table.add({std::string(metric.name), signed_estimate(metric.difference.mean),
               signed_estimate(metric.difference.p50), format_integer(metric.better),
               format_integer(metric.same), format_integer(metric.worse), conclusion(metric)});
  }
  text += table.text(0);
  return text + wrapped("",
                        "Better and worse: shorter or longer by more than 1 % of A. ±: 95 % by "
                        "batch means of the paired differences, in order of arrival in A.");
}

// What this side is, and the lines of its cluster that the other side does not have.
std::string name_and_cluster(std::string_view head, const std::string& name, const Summary& summary,
                             const std::vector<std::string>& lines) {
  std::string text = shortened(name, kNameWidth) + ": " +
                     format_integer(static_cast<std::int64_t>(summary.all.requests)) +
                     " requests measured, " + engines_on_gpus_text(summary.cluster) + ", " +
                     shortened(models_text(summary), kNameWidth);
  for (std::size_t i = 0; i < std::min(kClusterLines, lines.size()); ++i)
    text += (i == 0 ? "; only here: " : ", ") + shortened(lines[i], kNameWidth);
  if (lines.size() > kClusterLines)
    text += " and " + format_integer(static_cast<std::int64_t>(lines.size() - kClusterLines)) +
            " more lines of the cluster";
  return wrapped(head, text);
}

}  // namespace

std::string comparison_text(const Comparison& comparison) {
  std::string text =
      name_and_cluster("A  ", comparison.name_a, comparison.a, comparison.cluster_a) +
      name_and_cluster("B  ", comparison.name_b, comparison.b, comparison.cluster_b);
  std::vector<std::string> honesty = comparison.a.honesty;
  for (const std::string& line : comparison.b.honesty)
    if (std::ranges::find(honesty, line) == honesty.end()) honesty.push_back(line);
  for (const std::string& line : honesty) {
    const bool in_a = std::ranges::find(comparison.a.honesty, line) != comparison.a.honesty.end();
    const bool in_b = std::ranges::find(comparison.b.honesty, line) != comparison.b.honesty.end();
    text += wrapped(in_a && in_b ? "! " : in_a ? "! A: " : "! B: ", line);
  }
  text += side_by_side(comparison.a, comparison.b);
  if (comparison.is_paired()) return text + paired_part(comparison);
  return text + wrapped("! ", comparison.why_unpaired + "; differences above may come from that");
}

}  // namespace scsim::analysis
