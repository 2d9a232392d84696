// Engines plan, work and end their steps; routers observe them.
#include <algorithm>

#include "sim/simulation_state.h"

namespace scsim::sim {

void Simulation::plan_changed(std::uint32_t engine, TimePoint end) {
  // Cut by an arrival at the very end of one of its steps, a segment ends behind the arrivals of
  // now.
  const Phase phase = end > queue_.now() ? Phase::kCompletion : Phase::kDispatch;
  queue_.schedule_at(end, phase, StepDone{engine, ++plan_[engine]});
}

void Simulation::dispatch_soon(std::uint32_t engine) {
  if (dispatching_[engine]) return;
  dispatching_[engine] = 1;
  queue_.schedule_in(Duration{}, Phase::kDispatch, Dispatch{engine});
}

Expected<void> Simulation::handle(const StepDone& event) {
  if (event.plan != plan_[event.engine]) return {};
  Engine& engine = *engines_[event.engine];
  completing_ = event.engine;
  engine.complete(queue_.now(), *this);
  for (const std::uint32_t slot : doomed_[event.engine]) {
    if (active_[slot].doomed) doom(slot);  // else it finished in this very step
  }
  doomed_[event.engine].clear();
  completing_.reset();
  if (failing_ != nullptr && failing_->breaking[event.engine] != Failing::kNone)
    stop_engine(event.engine);
  between_steps(event.engine);
  dispatch_soon(event.engine);
  changed(event.engine);
  return {};
}

Expected<void> Simulation::handle(const Dispatch& event) {
  dispatching_[event.engine] = 0;
  if (const auto end = engines_[event.engine]->start(queue_.now(), *this))
    plan_changed(event.engine, *end);
  if (scaling_ != nullptr) turn_off_if_drained(event.engine);
  changed(event.engine);
  return check_progress(event.engine);
}

// An error if the engine's requests preempt each other for ever and nothing is to come that could
// change it: no arrival, no deadline, no step of another engine that gets anywhere.
Expected<void> Simulation::check_progress(std::uint32_t place) const {
  const auto endless = engines_[place]->scheduler().endless();
  if (!endless || !arrivals_.all_read() || coming_ > 0) return {};
  for (const auto& engine : engines_) {
    const Scheduler& other = engine->scheduler();
    const std::int64_t jobs = other.running() + other.waiting() + other.loading() + other.aside();
    if (jobs > 0 && !other.endless()) return {};
  }
  const auto has_deadline = [](const Active& a) { return a.job != kNoJob && a.limited; };
  if (std::ranges::any_of(active_, has_deadline)) return {};

  const Engine& engine = *engines_[place];
  const auto request = [&](JobId job) {
    return results_[active_[static_cast<std::uint32_t>(engine.scheduler().tag(job))].result]
        .request;
  };
  const auto [one, other] = std::minmax({request(endless->first), request(endless->second)});
  return Error{"pool " + engine.settings().pool + ", engine " + std::to_string(place) +
               ": requests " + std::to_string(one) + " and " + std::to_string(other) +
               " preempt each other for ever: before one of them has computed its prompt, the "
               "other takes its blocks. Set engine.reserve_full_prompt: true, or give it more "
               "blocks (engine.num_blocks)"};
}

void Simulation::changed(std::uint32_t engine) {
  if (const auto when = frontend_.changed(engine, queue_.now())) {
    queue_.schedule_at(*when, Phase::kObservation, Observe{});
  }
}

Expected<void> Simulation::handle(const Observe&) {
  frontend_.observe(queue_.now());
  return {};
}

}  // namespace scsim::sim
