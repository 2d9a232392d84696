#include "sim/engine_facts.h"

#include <algorithm>

#include "cost_models/step_cost.h"

namespace scsim::sim {
namespace {

double total(const PerStage<double>& parts) {
  double sum = 0;
  for (const double part : parts) sum += part;
  return sum;
}

}  // namespace

EngineFacts engine_facts(const EngineSettings& settings) {
  const cost_models::StepCostModel& model = *settings.cost_model;
  const EngineKnobs& knobs = settings.knobs;
  const std::int64_t full = knobs.max_batched_tokens;
  const auto seconds = [&](std::int64_t cached, std::int64_t fresh) {
    return knobs.step_overhead_s + cost_models::prefill_seconds(model, cached, fresh);
  };
  const auto tokens = static_cast<double>(full);
  EngineFacts facts;
  facts.step_tokens = full;
  facts.keeps_prefixes = knobs.prefix_caching;
  facts.step = seconds(0, 1);
  // A whole number of full steps deep, so that a full one more has as many pairs with what is
  // cached as `deep` times its own tokens.
  const std::int64_t deep = 4 * full;
  facts.pair = (seconds(deep, full) - seconds(0, full)) / (static_cast<double>(deep) * tokens);
  facts.token = std::max(seconds(0, full) - facts.pair * tokens * (tokens + 1) / 2, 0.0) / tokens;

  constexpr std::int64_t kFew = 1, kMany = 65;
  const auto decode = [&](std::int64_t sequences) {
    cost_models::StepShape shape;
    shape.decode_sequences = shape.sampled_sequences = sequences;
    return model.step(shape);
  };
  const cost_models::StepCost many = decode(kMany);
  facts.decode_sequence = (total(many.fixed) - total(decode(kFew).fixed)) / (kMany - kFew);
  facts.decode_context_token = total(many.per_context_token);
  return facts;
}

}  // namespace scsim::sim
