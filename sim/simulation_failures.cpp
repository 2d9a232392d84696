// Components break and are repaired; requests of broken engines start anew.
#include <algorithm>

#include "sim/simulation_state.h"

namespace scsim::sim {

void Simulation::start_failures() {
  if (!cluster_.failures.any()) return;
  failing_ = std::make_unique<Failing>();
  Failing& failing = *failing_;
  failing.components = components_of(cluster_);
  failing.down.resize(engines_.size());
  failing.tier_down.resize(store_ == nullptr ? 0 : store_->store().num_tiers());
  failing.breaking.resize(engines_.size(), Failing::kNone);
  failing.down_since.resize(engines_.size());
  failing.down_for.resize(engines_.size());
  for (const FailureSettings::Event& event : cluster_.failures.events) {
    for (std::uint32_t c = 0; c < failing.components.size(); ++c) {
      const Component& component = failing.components[c];
      if (component.what == event.what && component.which == event.which)
        queue_.schedule_at(TimePoint{} + event.at, Phase::kCompletion,
                           Break{c, Failing::kNone, event.lasts});
    }
  }
  for (const FailureSettings::Rate& rate : cluster_.failures.rates) {
    for (std::uint32_t c = 0; c < failing.components.size(); ++c) {
      if (failing.components[c].what != rate.what) continue;
      const auto draw = static_cast<std::uint32_t>(failing.draws.size());
      failing.draws.emplace_back(cluster_.seed, rate, failing.components[c].which);
      break_next(c, draw);
    }
  }
}

void Simulation::break_next(std::uint32_t component, std::uint32_t draw) {
  FailureDraw& drawn = failing_->draws[draw];
  const Duration works = drawn.works();
  queue_.schedule_in(works, Phase::kCompletion, Break{component, draw, drawn.broken()});
}

Expected<void> Simulation::handle(const Break& event) {
  if (all_ended()) return {};
  Failing& failing = *failing_;
  const Component& component = failing.components[event.component];
  const auto failure = static_cast<std::uint32_t>(failing.failures.size());
  failing.failures.push_back({component.what, component.which, queue_.now(), TimePoint{}});
  for (const std::int32_t tier : component.tiers) {
    if (failing.tier_down[static_cast<std::size_t>(tier)]++ == 0)
      failing.failures[failure].lost_bytes += store_->fail(tier, queue_.now());
  }
  for (const std::uint32_t engine : component.engines) {
    if (failing.down[engine]++ > 0) continue;
    if (failing.breaking[engine] != Failing::kNone) continue;  // it is still ending its step
    failing.breaking[engine] = failure;
    frontend_.set_up(engine, false);
    if (!engines_[engine]->in_step()) {
      stop_engine(engine);
    } else if (const auto end = engines_[engine]->cut(queue_.now())) {
      plan_changed(engine, *end);
    }
  }
  if (event.lasts > Duration{})
    queue_.schedule_in(event.lasts, Phase::kCompletion,
                       Repair{event.component, event.draw, failure});
  return {};
}

// REQUIRES: the engine is between steps.
void Simulation::stop_engine(std::uint32_t engine) {
  Failing& failing = *failing_;
  FailureResult& failure =
      failing.failures[std::exchange(failing.breaking[engine], Failing::kNone)];
  loaded_[engine].clear();
  for (std::uint32_t slot = 0; slot < active_.size(); ++slot) {
    if (active_[slot].job == kNoJob || active_[slot].engine != engine) continue;
    engines_[engine]->cancel(active_[slot].job, queue_.now());
    active_[slot].job = kNoJob;
    ++failure.requests;
    start_later(slot);
  }
  failure.lost_tokens += engines_[engine]->lose_cache(queue_.now());
  if (failing.down[engine] == 0)
    frontend_.set_up(engine, true);  // repaired within a step
  else
    failing.down_since[engine] = queue_.now();
  changed(engine);
}

Expected<void> Simulation::handle(const Repair& event) {
  if (all_ended()) return {};
  Failing& failing = *failing_;
  failing.failures[event.failure].end = queue_.now();
  const Component& component = failing.components[event.component];
  for (const std::int32_t tier : component.tiers) {
    if (--failing.tier_down[static_cast<std::size_t>(tier)] == 0) store_->repair(tier);
  }
  for (const std::uint32_t engine : component.engines) {
    if (--failing.down[engine] > 0 || failing.breaking[engine] != Failing::kNone) continue;
    failing.down_for[engine] += (queue_.now() - failing.down_since[engine]).ns();
    frontend_.set_up(engine, true);
    changed(engine);
  }
  if (event.draw != Failing::kNone) break_next(event.component, event.draw);
  return {};
}

// The request has lost its engine, or found none: once more after a pause, or never.
void Simulation::start_later(std::uint32_t slot) {
  Active& active = active_[slot];
  RequestResult& result = results_[active.result];
  close_phase(active);
  open_phase(active, Active::Phase::kQueue);
  active.doomed = false;
  result.scheduled = result.first_token = TimePoint{};
  result.output_tokens = result.found_tokens = 0;
  if (active.result < fetches_.size()) fetches_[active.result] = {};
  if (result.retries >= cluster_.failures.retries) {
    end_request(slot, Outcome::kFailed, 0);
    return;
  }
  const int doublings = std::min<int>(result.retries++, 30);
  ++active.generation;  // what was on its way to the old engine is not for the new one
  active.retrying = true;
  const Request& request = arrivals_.request(active.place);
  set_deadline(request, slot);
  queue_.schedule_in(Duration(cluster_.failures.backoff.ns() << doublings), Phase::kArrival,
                     Retry{slot, active.generation});
}

Expected<void> Simulation::handle(const Retry& event) {
  Active& active = active_[event.active];
  if (active.generation != event.generation || !active.retrying) return {};
  active.retrying = false;
  const Request& request = arrivals_.request(active.place);
  const auto engine = route(request, results_[active.result].prompt_tokens);
  SCSIM_CHECK(engine.has_value());  // as before
  start_on(request, event.active, *engine);
  return {};
}

void Simulation::finish_failures(Result& result) {
  if (failing_ == nullptr) return;
  Failing& failing = *failing_;
  for (std::size_t e = 0; e < result.engines.size(); ++e) {
    std::int64_t down = failing.down_for[e];
    if (failing.down[e] > 0 && failing.breaking[e] == Failing::kNone &&
        failing.down_since[e] < result.end)
      down += (result.end - failing.down_since[e]).ns();
    result.engines[e].down_ns = down;
    result.engines[e].idle_ns -= down;
    SCSIM_CHECK_GE(result.engines[e].idle_ns, 0);  // INV-LEDGER
  }
  result.failures = std::move(failing.failures);
  for (FailureResult& failure : result.failures)
    if (failure.end == TimePoint{}) failure.end = std::max(result.end, failure.begin);
}

}  // namespace scsim::sim
