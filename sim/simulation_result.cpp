// What the run found.
#include <algorithm>

#include "sim/simulation_state.h"
#include "traces/text.h"

namespace scsim::sim {

// INV-HONEST: how much of the engines' time no sample stands behind.
void Simulation::say_extrapolated(Result& result) const {
  std::int64_t outside = 0, steps = 0;
  double outside_seconds = 0, seconds = 0;
  for (const auto& engine : engines_) {
    outside += engine->extrapolated_steps();
    outside_seconds += engine->extrapolated_seconds();
    steps += engine->steps();
    for (const std::int64_t ns : engine->ledger()) seconds += 1e-9 * static_cast<double>(ns);
  }
  if (outside == 0) return;
  result.honesty.push_back(
      "extrapolated: " + format_percent(static_cast<double>(outside) / static_cast<double>(steps)) +
      " of engine steps and " + format_percent(outside_seconds / seconds) +
      " of their time lie outside of what was sampled for the profile");
}

// The cluster's targets go before the trace's.
SloClass Simulation::in_force(const SloClass& declared) const {
  SloClass target = declared;
  const bool untargeted = !declared.ttft && !declared.tpot && !declared.e2e;
  auto source = std::ranges::find(cluster_.slos, declared.name, &SloClass::name);
  if (source == cluster_.slos.end() && untargeted)
    source = std::ranges::find(cluster_.slos, "default", &SloClass::name);
  if (source == cluster_.slos.end()) return target;
  target.ttft = source->ttft;
  target.tpot = source->tpot;
  target.e2e = source->e2e;
  return target;
}

void Simulation::finish_result(Result& result) {
  result.trace = trace_.header();
  result.tables = trace_.tables();
  result.cluster_text = cluster_.text;
  result.router = cluster_.router;
  result.grams_co2_per_kwh = cluster_.grams_co2_per_kwh;
  result.pue = cluster_.pue;
  result.honesty = cluster_.honesty;
  for (const auto& [kind, refused] : refused_) {
    result.honesty.push_back(
        "refused: " + format_integer(static_cast<std::int64_t>(refused.count)) + " requests, " +
        kind + "; the first, " + refused.first);
  }
  for (const SloClass& declared : result.tables.slos) result.slos.push_back(in_force(declared));
  result.end = end_;
  result.requests = std::move(results_);
  gaps_.by_tenant.resize(result.tables.tenants.size());
  result.gaps_by_tenant = std::move(gaps_.by_tenant);
  result.gaps_by_turn = std::move(gaps_.by_turn);
  for (const GapHistogram& tenant : result.gaps_by_tenant) {
    for (std::size_t bin = 0; bin < GapHistogram::kBins; ++bin)
      result.gaps.count[bin] += tenant.count[bin];
    result.gaps.sum_seconds += tenant.sum_seconds;
    result.gaps.worst_ns = std::max(result.gaps.worst_ns, tenant.worst_ns);
  }
  for (const auto& engine : engines_) {
    result.timeline_bin = std::max(result.timeline_bin, engine->timeline_width());
  }
  if (fabric_ != nullptr) {
    Network& network = fabric_->network();
    result.timeline_bin = std::max(result.timeline_bin, network.timeline_width());
    if (store_ != nullptr)
      result.timeline_bin = std::max(result.timeline_bin, store_->timeline_width());
    result.links = network.end_of_run(result.end, result.timeline_bin);
    if (store_ != nullptr) store_->end_of_run(result);
  }
  if (!fetches_.empty()) {  // of tiers, or of lossy caches in the engines' own memory
    fetches_.resize(result.requests.size());
    result.fetches = std::move(fetches_);
  }
  result.transfers = std::move(transfers_);
  say_extrapolated(result);
  for (const std::string& name : identity_.unseen())
    result.honesty.push_back("unused: the trace has no tenant " + name);
  for (const auto& engine : engines_) {
    result.engines.push_back(engine->end_of_run(result.end, result.timeline_bin, result.lifetimes));
  }
  if (std::ranges::any_of(cluster_.pools, [](const Pool& pool) {
        return pool.knobs.order == EngineKnobs::Order::kFair;
      })) {
    result.tenant_weights = weights_;
    result.tenant_weights.resize(result.tables.tenants.size(), 1);
  }
  finish_failures(result);
  finish_scaling(result);
}

}  // namespace scsim::sim
