#include <algorithm>

#include "analysis/scaling.h"
#include "analysis/summary_parts.h"

namespace scsim::analysis {
namespace {

constexpr std::size_t kEngineBlockEnds = 3;  // the reasons behind them happen in tiers only

double sum(const PerStage<double>& stages) {
  double total = 0;
  for (double stage : stages) total += stage;
  return total;
}

EngineSummary summarise_engine(const EngineResult& engine, const Result& result,
                               const Window& window) {
  EngineSummary s;
  s.pool = engine.pool;
  s.model = engine.model;
  s.gpus = engine.gpus;
  s.steps = engine.steps;
  s.prefill_tokens = engine.prefill_tokens;
  s.decode_tokens = engine.decode_tokens;
  s.preemptions = engine.preemptions;
  s.evicted_blocks = engine.evicted_blocks;
  s.num_blocks = engine.num_blocks;
  s.block_tokens = engine.block_tokens;
  if (engine.num_blocks > 0)
    s.peak_used =
        static_cast<double>(engine.peak_used_blocks) / static_cast<double>(engine.num_blocks);

  const auto over_window = [&](const std::vector<float>& series) {
    return mean_over(series, result.timeline_bin, window);
  };
  s.utilisation = over_window(engine.timeline.busy);
  s.running = over_window(engine.timeline.running);
  s.waiting = over_window(engine.timeline.waiting);
  s.used = over_window(engine.timeline.used_blocks);
  s.cached = over_window(engine.timeline.cached_blocks);

  for (std::size_t i = 0; i < kNumStages; ++i)
    s.stage_seconds[i] = static_cast<double>(engine.stage_ns[i]) * 1e-9;
  s.idle_seconds = static_cast<double>(engine.idle_ns) * 1e-9;
  const double busy = s.busy_seconds();
  if (busy > 0) {
    s.hbm_bytes_per_second = engine.hbm_bytes / busy;
    s.flops_per_second = engine.flops / busy;
    s.link_bytes_per_second = engine.link_bytes / busy;
  }
  s.peak_hbm_bytes_per_second = engine.peak_hbm_bytes_per_second;
  s.peak_flops_per_second = engine.peak_flops_per_second;
  return s;
}

// Mean over the GPUs of the engines that have the number.
std::optional<double> gpu_mean(const std::vector<EngineSummary>& engines,
                               std::optional<double> EngineSummary::*number) {
  double weighted = 0, weight = 0;
  for (const EngineSummary& engine : engines)
    if (engine.*number) {
      weighted += *(engine.*number) * engine.gpus;
      weight += engine.gpus;
    }
  return weight > 0 ? std::optional(weighted / weight) : std::nullopt;
}

}  // namespace

double EngineSummary::busy_seconds() const { return sum(stage_seconds); }
double ClusterSummary::gpu_seconds() const { return sum(stage_gpu_seconds) + idle_gpu_seconds; }

void summarise_engines(const Result& result, Summary& summary) {
  ClusterSummary& cluster = summary.cluster;
  for (const EngineResult& engine : result.engines) {
    const EngineSummary& s =
        summary.engines.emplace_back(summarise_engine(engine, result, summary.window));
    ++cluster.engines;
    cluster.gpus += s.gpus;
    cluster.running += s.running.value_or(0);
    cluster.waiting += s.waiting.value_or(0);
    for (std::size_t i = 0; i < kNumStages; ++i)
      cluster.stage_gpu_seconds[i] += s.stage_seconds[i] * s.gpus;
    cluster.idle_gpu_seconds += s.idle_seconds * s.gpus;
  }
  cluster.utilisation = gpu_mean(summary.engines, &EngineSummary::utilisation);
  cluster.used = gpu_mean(summary.engines, &EngineSummary::used).value_or(0);
  cluster.cached = gpu_mean(summary.engines, &EngineSummary::cached).value_or(0);

  // Achieved and peak rates are of the time engines were busy: each engine's peak counts for as
  // long as it was busy, so that the quotient is the share of the peak in that time.
  double busy = 0;
  for (const EngineSummary& s : summary.engines) {
    const double seconds = s.busy_seconds();
    busy += seconds;
    cluster.hbm_bytes_per_second += s.hbm_bytes_per_second * seconds;
    cluster.flops_per_second += s.flops_per_second * seconds;
    cluster.peak_hbm_bytes_per_second += s.peak_hbm_bytes_per_second * seconds;
    cluster.peak_flops_per_second += s.peak_flops_per_second * seconds;
  }
  const double mean_busy = busy > 0 ? busy / static_cast<double>(cluster.engines) : 1;
  for (double* rate : {&cluster.hbm_bytes_per_second, &cluster.flops_per_second,
                       &cluster.peak_hbm_bytes_per_second, &cluster.peak_flops_per_second})
    *rate /= mean_busy;
}

void summarise_lifetimes(const Result& result, Summary& summary) {
  summary.lifetimes = lives_by_reason(result.lifetimes, kEngineBlockEnds);
}

void summarise_cache_worth(const Result& result, Summary& summary) {
  std::vector<std::int64_t> found(result.engines.size(), 0);
  for (std::size_t i = 0; i < result.requests.size(); ++i) {
    std::int32_t engine = result.requests[i].engine;
    if (!result.transfers.empty() && result.transfers[i].prefill_engine >= 0)
      engine = result.transfers[i].prefill_engine;  // it computed the prompt
    if (engine >= 0 && static_cast<std::size_t>(engine) < found.size())
      found[static_cast<std::size_t>(engine)] += result.requests[i].found_tokens;
  }

  CacheWorth& worth = summary.cache_worth;
  double dollars = 0;
  bool priced = !result.engines.empty();
  for (std::size_t e = 0; e < result.engines.size(); ++e) {
    const EngineResult& engine = result.engines[e];
    worth.found_tokens += found[e];
    priced = priced && engine.price_per_gpu_hour > 0;
    if (engine.prefill_tokens == 0) continue;
    const double generation =
        static_cast<double>(engine.stage_ns[static_cast<std::size_t>(Stage::kGeneration)]) * 1e-9;
    const double saved = generation / static_cast<double>(engine.prefill_tokens) *
                         static_cast<double>(found[e]) * engine.gpus;
    worth.gpu_seconds += saved;
    dollars += saved / 3600 * engine.price_per_gpu_hour;
  }
  const double run = summary.cluster.gpu_seconds();
  if (run > 0) worth.share_of_run = worth.gpu_seconds / run;
  if (priced) worth.dollars = dollars;
}

void summarise_money(const Result& result, Summary& summary) {
  double per_second = 0;
  for (const EngineResult& engine : result.engines) {
    if (engine.price_per_gpu_hour <= 0) return;
    per_second += engine.price_per_gpu_hour * engine.gpus / 3600;
  }
  if (result.engines.empty()) return;
  Money& money = summary.money.emplace();
  const double paid = scaling_of(result).gpu_share;
  if (paid < 1) {  // not all were up all the time
    double dollars = 0;
    for (const EngineResult& engine : result.engines)
      dollars += engine.price_per_gpu_hour * engine.gpus / 3600 *
                 (summary.run_seconds - static_cast<double>(engine.off_ns) * 1e-9);
    per_second = summary.run_seconds > 0 ? dollars / summary.run_seconds : 0;
  }
  money.dollars = per_second * summary.run_seconds;
  const Rates& rates = summary.rates;
  const auto price_of = [&](double count, double rate) {
    return rate > 0 ? std::optional(per_second / rate * count) : std::nullopt;
  };
  money.per_million_tokens = price_of(1e6, rates.prompt_tokens + rates.generated_tokens);
  money.per_million_generated_tokens = price_of(1e6, rates.generated_tokens);
  money.per_thousand_within_slo = price_of(1e3, rates.goodput);
}

}  // namespace scsim::analysis
