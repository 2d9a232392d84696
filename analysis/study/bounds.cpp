#include "analysis/study/bounds.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "analysis/study/metrics.h"
#include "cost_models/step_cost.h"

namespace scsim::analysis {
namespace {

// The clock is whole nanoseconds, and sums of many steps are rounded.
constexpr double kRounding = 1 - 1e-6;

double one_decode(const cost_models::StepCostModel& model) {
  const cost_models::StepCost cost = model.step({.decode_sequences = 1, .sampled_sequences = 1});
  double seconds = 0;
  for (std::size_t stage = 0; stage < kNumStages; ++stage) {
    seconds += cost.fixed[stage] + cost.per_context_token[stage];
    for (std::size_t w = 0; w < model.windows().size(); ++w)
      seconds += cost.per_windowed_token[w][stage];
  }
  return seconds;
}

}  // namespace

Expected<TraceFacts> read_facts(TraceReader& trace) {
  TraceFacts facts;
  Request request;
  while (true) {
    const auto more = trace.next(request);
    if (!more) return more.error();
    if (!*more) return facts;
    std::int64_t output = std::max<std::int64_t>(1, request.output_tokens.value());
    facts.most_tokens = std::max(facts.most_tokens, request.prompt_tokens().value() + output);
    if (request.max_tokens.value() > 0) output = std::min(output, request.max_tokens.value());
    facts.least_output = facts.requests == 0 ? output : std::min(facts.least_output, output);
    ++facts.requests;
  }
}

std::optional<double> floor_of(std::size_t metric, const sim::Cluster& cluster,
                               const TraceFacts& facts) {
  const std::string& name = metric_table()[metric].name;
  if (!name.ends_with("_s")) return std::nullopt;
  double least = std::numeric_limits<double>::infinity();
  for (const sim::Pool& pool : cluster.pools) {
    const double first = cost_models::prefill_seconds(*pool.cost_model, 0, 1);
    const double later = one_decode(*pool.cost_model);
    const bool cut_short = facts.most_tokens > pool.max_model_len;
    const auto tokens = static_cast<double>(cut_short ? 1 : facts.least_output);
    if (name.starts_with("ttft_"))
      least = std::min(least, first);
    else if (name.starts_with("tpot_"))
      least = std::min(least, later);
    else if (name.starts_with("e2e_"))
      least = std::min(least, first + (tokens - 1) * later);
    else
      return std::nullopt;
  }
  return least * kRounding;
}

std::optional<double> known_value(std::size_t metric, const sim::Cluster& cluster) {
  const std::string& name = metric_table()[metric].name;
  if (name == "usd_per_hour") {
    for (const sim::Pool& pool : cluster.pools)
      if (pool.autoscale.policy != sim::AutoscaleSettings::Policy::kNone) return std::nullopt;
    return dollars_per_hour(cluster);
  }
  if (name != "gpus") return std::nullopt;
  int gpus = 0;
  for (const sim::Pool& pool : cluster.pools) gpus += pool.engines * pool.gpus_per_engine;
  return gpus;
}

}  // namespace scsim::analysis
