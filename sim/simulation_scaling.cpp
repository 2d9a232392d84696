// Engines come and go by what their pools are doing.
#include <algorithm>

#include "sim/simulation_state.h"

namespace scsim::sim {

void Simulation::start_scaling() {
  std::uint32_t engine = 0;
  for (std::uint32_t p = 0; p < cluster_.pools.size(); ++p) {
    const Pool& pool = cluster_.pools[p];
    const auto first = engine;
    engine += static_cast<std::uint32_t>(pool.engines);
    if (pool.autoscale.policy == AutoscaleSettings::Policy::kNone) continue;
    if (scaling_ == nullptr) {
      scaling_ = std::make_unique<Scaling>();
      scaling_->engines.resize(engines_.size());
      scaling_->pools.resize(cluster_.pools.size());
    }
    Scaling::OfPool& of = scaling_->pools[p];
    of.scaler.emplace(pool.autoscale, pool.engines);
    of.first = first;
    for (std::uint32_t e = first + static_cast<std::uint32_t>(pool.autoscale.least); e < engine;
         ++e) {
      scaling_->engines[e].state = Scaling::State::kOff;
      frontend_.set_up(e, false);
    }
    queue_.schedule_at(TimePoint{} + pool.autoscale.period, Phase::kObservation, Scale{p});
  }
}

Expected<void> Simulation::handle(const Scale& event) {
  if (all_ended()) return {};
  using State = Scaling::State;
  const Pool& pool = cluster_.pools[event.pool];
  Scaling::OfPool& of = scaling_->pools[event.pool];
  PoolLoad load = std::exchange(of.load, {});
  const std::uint32_t end = of.first + static_cast<std::uint32_t>(pool.engines);
  for (std::uint32_t e = of.first; e < end; ++e) {
    const Scheduler& scheduler = engines_[e]->scheduler();
    const State state = scaling_->engines[e].state;
    load.engines += state == State::kUp || state == State::kStarting ? 1 : 0;
    load.waiting += scheduler.waiting() + scheduler.loading();
    load.running += scheduler.running();
  }
  const int wanted = of.scaler->decide(queue_.now(), load);
  for (int more = wanted - load.engines; more > 0; --more) add_engine(of.first, end, pool);
  for (int fewer = load.engines - wanted; fewer > 0; --fewer) remove_engine(of.first, end);
  queue_.schedule_in(pool.autoscale.period, Phase::kObservation, event);
  return {};
}

// One that is still ending its requests stays; else the first that is off starts.
void Simulation::add_engine(std::uint32_t first, std::uint32_t end, const Pool& pool) {
  using State = Scaling::State;
  for (const State from : {State::kDraining, State::kOff}) {
    for (std::uint32_t e = first; e < end; ++e) {
      Scaling::OfEngine& engine = scaling_->engines[e];
      if (engine.state != from) continue;
      if (from == State::kDraining) {
        engine.state = State::kUp;
        frontend_.set_up(e, true);
        return;
      }
      engine.state = State::kStarting;
      engine.off_for += (queue_.now() - engine.off_since).ns();
      ++engine.starts;
      queue_.schedule_in(pool.autoscale.cold_start, Phase::kObservation, Started{e});
      return;
    }
  }
}

// The one with the fewest requests, the last of equals.
void Simulation::remove_engine(std::uint32_t first, std::uint32_t end) {
  using State = Scaling::State;
  std::optional<std::uint32_t> least;
  const auto requests = [&](std::uint32_t e) {
    const Scheduler& scheduler = engines_[e]->scheduler();
    return scheduler.waiting() + scheduler.loading() + scheduler.running();
  };
  int up = 0;
  for (std::uint32_t e = first; e < end; ++e) {
    if (scaling_->engines[e].state != State::kUp) continue;
    ++up;
    if (!least || requests(e) <= requests(*least)) least = e;
  }
  if (up < 2) return;  // somebody must take what comes while others start
  scaling_->engines[*least].state = State::kDraining;
  frontend_.set_up(*least, false);
  turn_off_if_drained(*least);
}

void Simulation::turn_off_if_drained(std::uint32_t e) {
  Scaling::OfEngine& engine = scaling_->engines[e];
  const Scheduler& scheduler = engines_[e]->scheduler();
  if (engine.state != Scaling::State::kDraining || engines_[e]->in_step() ||
      scheduler.waiting() + scheduler.loading() + scheduler.running() > 0)
    return;
  engine.state = Scaling::State::kOff;
  engine.off_since = queue_.now();
  engines_[e]->lose_cache(queue_.now());
}

Expected<void> Simulation::handle(const Started& event) {
  if (all_ended()) return {};
  Scaling::OfEngine& engine = scaling_->engines[event.engine];
  engine.state = Scaling::State::kUp;
  frontend_.set_up(event.engine, true);
  return {};
}

void Simulation::count_first_token(const Active& active) {
  const RequestResult& result = results_[active.result];
  const SloClass slo = in_force(trace_.tables().slos[result.slo]);
  if (!slo.ttft) return;
  PoolLoad& load = scaling_->pools[pool_of_engine_[active.engine]].load;
  ++load.first_tokens;
  load.within += queue_.now() - result.arrival <= *slo.ttft ? 1 : 0;
}

void Simulation::finish_scaling(Result& result) const {
  if (scaling_ == nullptr) return;
  for (std::size_t e = 0; e < result.engines.size(); ++e) {
    const Scaling::OfEngine& engine = scaling_->engines[e];
    std::int64_t off = engine.off_for;
    if (engine.state == Scaling::State::kOff && engine.off_since < result.end)
      off += (result.end - engine.off_since).ns();
    result.engines[e].off_ns = off;
    result.engines[e].starts = engine.starts;
    result.engines[e].idle_ns -= off;
    SCSIM_CHECK_GE(result.engines[e].idle_ns, 0);  // INV-LEDGER
  }
}

}  // namespace scsim::sim
