// A request arrives: it is routed, and refused or submitted.
#include <algorithm>

#include "sim/simulation_state.h"
#include "traces/check.h"

namespace scsim::sim {

void Simulation::schedule_due() {
  for (const Arrivals::Due& due : due_) {
    // Arrivals of one instant are taken in the order of the file.
    queue_.schedule_ordered(due.when, Phase::kArrival, due.request.value(), Arrival{due.place});
    ++coming_;
  }
  due_.clear();
}

Expected<void> Simulation::read_trace() {
  if (Expected<void> read = arrivals_.read(due_); !read) return read.error();
  schedule_due();
  return {};
}

Expected<void> Simulation::handle(const Arrival& event) {
  --coming_;
  const Request& request = arrivals_.request(event.place);
  const bool open_loop = request.arrival.has_value();
  RequestResult& result = results_.emplace_back();
  result.request = request.id.value();
  result.tenant = static_cast<std::uint32_t>(request.tenant.value());
  result.turn = static_cast<std::uint32_t>(request.turn);
  result.slo = static_cast<std::uint32_t>(request.slo.value());
  result.task = static_cast<std::uint32_t>(request.task.value());
  result.session = request.session.value();
  result.arrival = queue_.now();
  result.prompt_tokens = request.prompt_tokens().value();
  if (result.tenant >= gaps_.by_tenant.size()) gaps_.by_tenant.resize(result.tenant + 1);
  if (store_ != nullptr) fetches_.emplace_back();
  if (cluster_.disaggregation.on) transfers_.emplace_back();
  meet(result.tenant);
  if (prefetch_) prefetch_->arrived(result.session, result.tenant, queue_.now());

  bool kept = false;
  if (gate_.in_use() &&
      !gate_.enter(result.tenant, result.slo, trace_.tables().slos[result.slo].name)) {
    turn_away(result, Outcome::kShed);
  } else if (const auto engine = route(request, result.prompt_tokens); !engine) {
    refuse(result, "no pool serves the model it names",
           trace_.tables().models[request.model.value()]);
  } else if (const auto refusal = engines_[*engine]->scheduler().refuse(
                 result.prompt_tokens, request.max_tokens.value(),
                 identity_.partition(result.tenant), compression_of(*engine, result))) {
    refuse(result, refusal->kind, refusal->detail);
  } else {
    submit(request, event.place, *engine);
    kept = failing_ != nullptr;
  }
  if (!kept) arrivals_.forget(event.place);
  return open_loop ? read_trace() : Expected<void>{};
}

// Names of tenants come with the trace.
void Simulation::meet(std::uint32_t tenant) {
  const auto& tenants = trace_.tables().tenants;
  for (; tenants_met_ <= tenant; ++tenants_met_) {
    const auto id = static_cast<std::uint32_t>(tenants_met_);
    identity_.tenant_seen(id, tenants[tenants_met_].name);
    if (store_ != nullptr) store_->tenant_seen(id, tenants[tenants_met_].name);
    weights_.push_back(1);
    for (const TenantSettings& configured : cluster_.store.tenants) {
      if (configured.name != tenants[tenants_met_].name) continue;
      weights_.back() = configured.weight;
      gate_.tenant_seen(id, configured.max_requests);
    }
  }
}

void Simulation::refuse(RequestResult& result, const std::string& kind, const std::string& detail) {
  Refused& refused = refused_[kind];
  if (refused.count++ == 0)
    refused.first = "request " + std::to_string(result.request) + ": " + detail;
  if (gate_.in_use()) gate_.leave(result.tenant, result.slo);
  turn_away(result, Outcome::kRefused);
}

void Simulation::turn_away(RequestResult& result, Outcome outcome) {
  result.outcome = outcome;
  result.end = queue_.now();
  end_ = result.end;
  arrivals_.ended(RequestId(result.request), result.end, due_);
  schedule_due();
}

std::uint32_t Simulation::new_active() {
  if (unused_active_.empty()) {
    active_.emplace_back();
    return static_cast<std::uint32_t>(active_.size() - 1);
  }
  const std::uint32_t place = unused_active_.back();
  unused_active_.pop_back();
  return place;
}

RoutableRequest Simulation::routable(const Request& request, std::int64_t prompt_tokens) const {
  return {request.tenant, request.session, request.turn,
          request.prompt, prompt_tokens,   request.max_tokens.value(),
          request.output, request.priority};
}

std::optional<std::uint32_t> Simulation::route(const Request& request, std::int64_t prompt_tokens) {
  return frontend_.route(routable(request, prompt_tokens), request.model,
                         trace_.tables().models[request.model.value()]);
}

void Simulation::submit(const Request& request, Arrivals::Place place, std::uint32_t engine) {
  const std::uint32_t slot = new_active();
  Active& active = active_[slot];
  const std::uint32_t generation = active.generation + 1;
  active = Active{};
  active.generation = generation;
  active.result = results_.size() - 1;
  active.place = place;
  active.since = queue_.now();
  start_on(request, slot, engine);
  if (!active_[slot].retrying) set_deadline(request, slot);
}

// What decides whose turn it is.
void Simulation::order(const Request& request, const RequestResult& result, std::uint32_t engine,
                       JobSpec& spec) const {
  spec.priority = request.priority;
  spec.arrival = queue_.now().ns();
  spec.tie = request.id.value();
  spec.flow = result.tenant;
  spec.weight = weights_[result.tenant];
  if (cluster_.pools[pool_of_engine_[engine]].knobs.order != EngineKnobs::Order::kDeadline) return;
  const SloClass slo = in_force(trace_.tables().slos[result.slo]);
  const auto target = slo.ttft ? slo.ttft : slo.e2e;
  spec.priority = target ? 0 : 1;  // behind all that have a deadline
  spec.arrival = (result.arrival + target.value_or(Duration{})).ns();
}

void Simulation::start_on(const Request& request, std::uint32_t slot, std::uint32_t engine) {
  Active& active = active_[slot];
  RequestResult& result = results_[active.result];
  active.engine = engine;
  result.engine = static_cast<std::int32_t>(engine);
  SCSIM_CHECK(scaling_ == nullptr || scaling_->engines[engine].state == Scaling::State::kUp);
  if (failing_ != nullptr && failing_->down[engine] > 0) {  // and so are all others
    start_later(slot);
    return;
  }

  JobSpec spec = spec_of(request, engine, slot);
  std::optional<std::uint32_t> prefill;
  if (cluster_.disaggregation.on)
    prefill = prefill_engine(routable(request, result.prompt_tokens), spec, engine);
  if (prefill) {
    begin_handover(slot, request, spec, *prefill);
  } else {
    active.job = place(spec, engine, result);
  }
}

JobSpec Simulation::spec_of(const Request& request, std::uint32_t engine,
                            std::uint32_t slot) const {
  const RequestResult& result = results_[active_[slot].result];
  JobSpec spec;
  spec.tag = slot;
  spec.prompt = request.prompt;
  spec.output = request.output;
  spec.output_tokens = request.output_tokens.value();
  spec.max_tokens = request.max_tokens.value();
  spec.salt =
      identity_.salt(pool_of_engine_[engine], result.tenant, class_of(result), result.session);
  if (const MethodModel* method = method_of(engine, result)) {
    spec.method = method;
    spec.compression = method->compression.get();
    spec.lossy = method->reuse != methods::ReuseClass::kExact;
  }
  spec.partition = identity_.partition(result.tenant);
  order(request, result, engine, spec);
  return spec;
}

JobId Simulation::place(const JobSpec& spec, std::uint32_t engine, const RequestResult& result) {
  Engine& target = *engines_[engine];
  // Behind others that wait, first come first served, it cannot change what the engine does now,
  // unless those wait for limits of their own tenants.
  const bool matters = target.scheduler().waiting() == 0 || !target.settings().limits.empty() ||
                       target.settings().knobs.order != EngineKnobs::Order::kFirstCome;
  const std::uint32_t turn = std::min<std::uint32_t>(result.turn, Result::kMaxTurnGroup);
  const JobId job = target.submit(spec, result.tenant, turn, queue_.now());
  if (!target.in_step()) {
    dispatch_soon(engine);
  } else if (matters) {
    if (const auto end = target.cut(queue_.now())) plan_changed(engine, *end);
  }
  changed(engine);
  return job;
}

void Simulation::set_deadline(const Request& request, std::uint32_t slot) {
  const Duration limit = cluster_.request_timeout;
  Duration patience = request.cancel_after.value_or(Duration{});
  if (limit > Duration{} && (patience == Duration{} || limit < patience)) {
    patience = limit;
    active_[slot].fate = Outcome::kTimedOut;
  }
  if (patience == Duration{}) return;
  active_[slot].limited = true;
  const TimePoint when = results_[active_[slot].result].arrival + patience;
  queue_.schedule_at(std::max(when, queue_.now()), Phase::kCompletion,
                     Deadline{slot, active_[slot].generation});
}

}  // namespace scsim::sim
