#include "analysis/study/metrics.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "analysis/scaling.h"
#include "analysis/wording.h"
#include "traces/text.h"

namespace scsim::analysis {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
using In = const MetricInputs&;
using enum MetricUnit;
using enum Better;

double number(std::int64_t count) { return static_cast<double>(count); }
double or_none(const std::optional<double>& value) { return value.value_or(kNone); }
double outcome(In in, Outcome outcome) {
  return number(in.summary.all.outcomes[static_cast<std::size_t>(outcome)]);
}

template <Distribution GroupSummary::*which>
double mean(In in) {
  const Distribution& d = in.summary.all.*which;
  return d.count == 0 ? kNone : d.mean.value;
}
template <Distribution GroupSummary::*which, Estimate Distribution::*quantile>
double estimate(In in) {
  const Distribution& d = in.summary.all.*which;
  return d.count == 0 ? kNone : (d.*quantile).value;
}
template <Distribution GroupSummary::*which>
double worst(In in) {
  const Distribution& d = in.summary.all.*which;
  return d.count == 0 ? kNone : d.worst;
}

double least_slo_share(In in) {
  double least = kNone;
  for (const SloSummary& slo : in.summary.slos)
    if (slo.has_targets()) least = std::isnan(least) ? slo.share() : std::min(least, slo.share());
  return least;
}

double fetched_share(In in) {
  if (!in.summary.store) return 0;
  const TokenSources& all = in.summary.store->all;
  return all.prompt_tokens == 0 ? 0 : number(all.fetched()) / number(all.prompt_tokens);
}

double peak_used(In in) {
  double peak = 0;
  for (const EngineSummary& engine : in.summary.engines) peak = std::max(peak, engine.peak_used);
  return peak;
}

double evicted_blocks(In in) {
  std::int64_t sum = 0;
  for (const EngineSummary& engine : in.summary.engines) sum += engine.evicted_blocks;
  return number(sum);
}

bool has_energy(In in) { return in.summary.costs && in.summary.costs->has_energy; }
double grams_per_kwh(In in) {
  return in.cluster.grams_co2_per_kwh > 0 ? in.cluster.grams_co2_per_kwh : kNone;
}
double joules_per_request(In in) {
  if (!has_energy(in) || in.summary.costs->finished == 0) return kNone;
  return in.summary.costs->total.joules() / number(in.summary.costs->finished);
}

double dollars_per(In in, double rate, double count) {
  const double hour = dollars_per_hour(in.cluster) * scaling_of(in.result).gpu_share;
  return rate > 0 ? hour / 3600 / rate * count : kNone;
}

// Name and sentence of the three latencies that have intervals, and of gaps.
template <Distribution GroupSummary::*which>
void add_latency(std::vector<Metric>& table, const std::string& name, const std::string& what) {
  const auto add = [&](const char* part, const std::string& sentence, double (*value)(In)) {
    table.push_back({name + "_" + part + "_s", sentence + " " + what, kSeconds, kLower, value});
  };
  add("mean", "mean", mean<which>);
  add("p50", "median", estimate<which, &Distribution::p50>);
  add("p90", "90th percentile of", estimate<which, &Distribution::p90>);
  add("p99", "99th percentile of", estimate<which, &Distribution::p99>);
  add("worst", "longest", worst<which>);
}

std::vector<Metric> make_table() {
  std::vector<Metric> table = {
      {"slo_share", "requests finished within all targets, of those with targets", kFraction,
       kHigher,
       [](In in) {
         return in.summary.all.slo.with_targets == 0 ? kNone : in.summary.all.slo.share();
       }},
      {"slo_share_least", "the same of the class where it is least", kFraction, kHigher,
       least_slo_share},
      {"slo_met", "1 if 99 % of each class are within all targets", kFlag, kHigher,
       [](In in) {
         const auto met = in.summary.slo_met();
         return met ? (*met ? 1.0 : 0.0) : kNone;
       }},
      {"goodput_per_s", "requests finished within all targets", kPerSecond, kHigher,
       [](In in) { return in.summary.rates.goodput; }}};
  add_latency<&GroupSummary::ttft>(table, "ttft", "time to first token");
  add_latency<&GroupSummary::tpot>(table, "tpot", "time per output token after the first");
  add_latency<&GroupSummary::itl>(table, "itl", "gap between two tokens, whole run");
  add_latency<&GroupSummary::e2e>(table, "e2e", "time from arrival to the end");
  const std::vector<Metric> more = {
      {"requests", "that arrived in the measured window", kCount, kNeither,
       [](In in) { return number(in.summary.all.requests); }},
      {"finished", "of those", kCount, kHigher,
       [](In in) { return outcome(in, Outcome::kFinished); }},
      {"refused", "of those: can never be served", kCount, kLower,
       [](In in) { return outcome(in, Outcome::kRefused); }},
      {"cancelled", "of those, by their clients", kCount, kLower,
       [](In in) { return outcome(in, Outcome::kCancelled); }},
      {"timed_out", "of those, by the cluster's limit", kCount, kLower,
       [](In in) { return outcome(in, Outcome::kTimedOut); }},
      {"unfinished", "of those, at the end of the run", kCount, kLower,
       [](In in) { return outcome(in, Outcome::kUnfinished); }},
      {"failed", "of those: engines failed under them too often", kCount, kLower,
       [](In in) { return outcome(in, Outcome::kFailed); }},
      {"shed", "of those, by the frontend's limits", kCount, kLower,
       [](In in) { return outcome(in, Outcome::kShed); }},
      {"preemptions", "of requests of the window", kCount, kLower,
       [](In in) { return number(in.summary.all.preemptions); }},
      {"arrivals_per_s", "requests arriving", kPerSecond, kNeither,
       [](In in) { return in.summary.rates.arrivals; }},
      {"finished_per_s", "requests finished", kPerSecond, kHigher,
       [](In in) { return in.summary.rates.finished; }},
      {"prompt_tokens_per_s", "of prompts, found ones included", kPerSecond, kHigher,
       [](In in) { return in.summary.rates.prompt_tokens; }},
      {"generated_tokens_per_s", "of answers", kPerSecond, kHigher,
       [](In in) { return in.summary.rates.generated_tokens; }},
      {"hit_ratio", "prompt tokens found in the engines' memory", kFraction, kHigher,
       [](In in) { return in.summary.all.hits.ratio(); }},
      {"fetched_share", "prompt tokens fetched from tiers of the store", kFraction, kNeither,
       fetched_share},
      {"utilisation", "share of the window in which GPUs were in a step", kFraction, kNeither,
       [](In in) { return or_none(in.summary.cluster.utilisation); }},
      {"prefill_utilisation", "the same of pools of role prefill", kFraction, kNeither,
       [](In in) {
         return in.summary.transfers ? or_none(in.summary.transfers->prefill.utilisation) : kNone;
       }},
      {"decode_utilisation", "the same of pools of role decode", kFraction, kNeither,
       [](In in) {
         return in.summary.transfers ? or_none(in.summary.transfers->decode.utilisation) : kNone;
       }},
      {"kv_transfer_mean_s", "mean time a prompt's KV took from prefill to decode engine", kSeconds,
       kLower,
       [](In in) {
         return in.summary.transfers && in.summary.transfers->moved() > 0
                    ? in.summary.transfers->mean_seconds
                    : kNone;
       }},
      {"waiting", "mean requests waiting", kCount, kLower,
       [](In in) { return in.summary.cluster.waiting; }},
      {"running", "mean requests running", kCount, kNeither,
       [](In in) { return in.summary.cluster.running; }},
      {"kv_used_share", "mean share of the KV blocks held by running requests", kFraction, kNeither,
       [](In in) { return in.summary.cluster.used; }},
      {"kv_peak_share", "largest share of an engine's KV blocks ever held", kFraction, kNeither,
       peak_used},
      {"evicted_blocks", "of the engines' memory, whole run", kCount, kNeither, evicted_blocks},
      {"run_s", "simulated length of the run", kSeconds, kNeither,
       [](In in) { return in.summary.run_seconds; }},
      {"gpus", "of all pools", kCount, kLower,
       [](In in) { return static_cast<double>(in.summary.cluster.gpus); }},
      {"usd_per_hour", "GPUs and tiers of the store, while they stand", kDollars, kLower,
       [](In in) { return dollars_per_hour(in.cluster) * scaling_of(in.result).gpu_share; }},
      {"engine_hours", "paid for: of engines while they are up or start", kCount, kLower,
       [](In in) { return scaling_of(in.result).engine_hours; }},
      {"usd_per_million_tokens", "prompt and generated, over the window", kDollars, kLower,
       [](In in) {
         const Rates& rates = in.summary.rates;
         return dollars_per(in, rates.prompt_tokens + rates.generated_tokens, 1e6);
       }},
      {"usd_per_1000_requests", "finished, over the window", kDollars, kLower,
       [](In in) { return dollars_per(in, in.summary.rates.finished, 1e3); }},
      {"usd_per_1000_within_slo", "finished within all targets, over the window", kDollars, kLower,
       [](In in) { return dollars_per(in, in.summary.rates.goodput, 1e3); }},
      {"jain_service", "Jain's index of tenants' service by weight, under order wfq", kFraction,
       kHigher, [](In in) { return in.summary.fairness ? in.summary.fairness->service : kNone; }},
      {"joules", "of the run, where the cluster has the key energy", kJoules, kLower,
       [](In in) { return has_energy(in) ? in.summary.costs->total.joules() : kNone; }},
      {"joules_per_request", "finished, whole run", kJoules, kLower,
       [](In in) { return joules_per_request(in); }},
      {"grams_co2_per_request", "finished, whole run; where energy has an intensity", kGrams,
       kLower, [](In in) { return joules_per_request(in) / 3.6e6 * grams_per_kwh(in); }},
      {"overloaded", "1 if waiting grows as long as the run lasts", kFlag, kLower,
       [](In in) { return in.summary.verdict.load == Load::kOverloaded ? 1.0 : 0.0; }}};
  table.insert(table.end(), more.begin(), more.end());
  return table;
}

}  // namespace

const std::vector<Metric>& metric_table() {
  static const std::vector<Metric> table = make_table();
  return table;
}

Expected<std::size_t> find_metric(const std::string& name) {
  std::vector<std::string> known;
  for (const Metric& metric : metric_table()) {
    if (metric.name == name) return known.size();
    known.push_back(metric.name);
  }
  return Error{unknown_name("metric", name, known)};
}

std::string metric_text(const Metric& metric, double value) {
  if (std::isnan(value)) return "-";
  switch (metric.unit) {
    case kSeconds:
      return format_seconds(value);
    case kFraction:
      return format_percent(value);
    case kPerSecond:
      return format_rate(value);
    case kDollars:
      return dollars_text(value);
    case kJoules:
      return energy_text(value);
    case kGrams:
      return grams_text(value);
    case kFlag:
      return value == 1 ? "yes" : value == 0 ? "no" : format_percent(value);
    case kCount:
      return value == std::floor(value) && std::abs(value) < 1e15
                 ? format_integer(static_cast<std::int64_t>(value))
                 : format_fixed(value, 2);
  }
  return "";
}

double dollars_per_hour(const sim::Cluster& cluster) {
  constexpr double kGib = 1024.0 * 1024 * 1024;
  double sum = 0;
  int engines = 0, nodes = 0;
  for (const sim::Pool& pool : cluster.pools) {
    if (pool.price_per_gpu_hour <= 0) return kNone;
    sum += pool.price_per_gpu_hour * pool.engines * pool.gpus_per_engine;
    engines += pool.engines;
    nodes += (pool.engines - 1) * pool.gpus_per_engine / pool.gpus_per_node + 1;
  }
  for (const sim::TierSettings& tier : cluster.store.tiers) {
    using Scope = sim::TierSettings::Scope;
    const int instances = tier.scope == Scope::kEngine ? engines
                          : tier.scope == Scope::kNode ? nodes
                                                       : 1;
    sum += static_cast<double>(tier.capacity) / kGib * instances * tier.price_per_gib_hour;
  }
  return sum;
}

}  // namespace scsim::analysis
