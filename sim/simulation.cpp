#include "sim/simulation.h"

#include <algorithm>
#include <boost/unordered/unordered_flat_map.hpp>
#include <map>
#include <variant>

#include "sim/engine.h"
#include "sim/event_queue.h"
#include "traces/text.h"

namespace scsim::sim {
namespace {

// ---- events; each is small and says what happened ----

struct Arrival {
  std::uint32_t incoming;  // place among the incoming requests
};
struct StepDone {
  std::uint32_t engine;
  std::uint64_t plan;  // void if the engine has another plan by then
};
struct Dispatch {
  std::uint32_t engine;
};
struct Deadline {
  std::uint32_t active;
  std::uint32_t generation;
};
struct Observe {};

using Event = std::variant<Arrival, StepDone, Dispatch, Deadline, Observe>;

// Requests read and not yet arrived. Closed-loop ones wait for their parents.
struct Incoming {
  Request request;
  std::size_t parents_left = 0;
  TimePoint last_end;
};

// Requests between arrival and end.
struct Active {
  std::size_t result = 0;  // place in Result::requests
  std::uint32_t engine = 0;
  JobId job = kNoJob;
  std::uint32_t generation = 0;
  enum class Phase : std::uint8_t { kQueue, kPrefill, kDecode } phase = Phase::kQueue;
  bool doomed = false;  // to be cancelled at the end of the step
  Outcome fate = Outcome::kCancelled;
  TimePoint since;                  // of the phase
  PerStage<std::int64_t> ledger{};  // of the engine at that time
};

// Engines among which a router chooses, for the models that they serve.
struct Group {
  std::vector<std::uint32_t> engines;
  std::unique_ptr<Router> router;
  std::vector<EngineView> views;  // what the router knows
};

class Simulation final : private Engine::Listener {
 public:
  Simulation(TraceReader& trace, const Cluster& cluster, const SimulationOptions& options)
      : trace_(trace), cluster_(cluster), options_(options) {}

  Expected<Result> run();

 private:
  Expected<void> build();
  Expected<void> read_ahead();
  Group* group_of(ModelId model);
  void refresh(std::uint32_t engine);
  void observe_later();
  void changed(std::uint32_t engine);

  Expected<void> handle(const Arrival& event);
  Expected<void> handle(const StepDone& event);
  Expected<void> handle(const Dispatch& event);
  Expected<void> handle(const Deadline& event);
  Expected<void> handle(const Observe& event);

  void schedule_arrival(std::uint32_t incoming, TimePoint when);
  void plan_changed(std::uint32_t engine, TimePoint end);
  void dispatch_soon(std::uint32_t engine);
  void close_phase(Active& active);
  void open_phase(Active& active, Active::Phase phase);
  void end_request(std::uint32_t active, Outcome outcome, std::int64_t produced);
  void settle_end(RequestId request, TimePoint end);
  std::uint32_t new_active();
  void finish_result(Result& result);

  void admitted(std::uint64_t tag, std::int64_t found, bool resumed, JobId job) override;
  void preempted(std::uint64_t tag) override;
  void first_token(std::uint64_t tag) override;
  void finished(std::uint64_t tag, std::int64_t produced) override;

  TraceReader& trace_;
  const Cluster& cluster_;
  const SimulationOptions& options_;
  EventQueue<Event> queue_;

  GapBook gaps_;
  std::vector<std::unique_ptr<Engine>> engines_;
  std::vector<std::uint64_t> plan_;                 // number of each engine's plan
  std::vector<char> dispatching_;                   // a Dispatch event is on its way
  std::vector<std::vector<std::uint32_t>> doomed_;  // active requests to cancel, by engine
  std::vector<Group> groups_;
  std::vector<std::int32_t>
      group_of_model_;  // by trace model; -1: nobody serves it, -2: not yet known
  struct Place {
    std::uint32_t group, place;
  };
  std::vector<std::vector<Place>> places_;  // of an engine in the groups' views
  std::vector<char> stale_;                 // the engine changed since it was observed
  std::vector<std::uint32_t> stale_engines_;
  bool observing_ = false;  // an Observe event is on its way

  bool more_ = true;  // the trace has not ended
  std::vector<Incoming> incoming_;
  std::vector<std::uint32_t> unused_incoming_;
  std::vector<TimePoint> ends_;  // by request; never() while it has not ended
  boost::unordered_flat_map<std::uint64_t, std::vector<std::uint32_t>> children_;
  std::vector<Active> active_;
  std::vector<std::uint32_t> unused_active_;

  struct Refused {
    std::uint64_t count = 0;
    std::string first;
  };
  std::map<std::string, Refused> refused_;  // by kind of reason
  std::uint64_t num_ended_ = 0;
  std::vector<RequestResult> results_;
};

Expected<void> Simulation::build() {
  std::size_t total = 0;
  for (const Pool& pool : cluster_.pools) total += static_cast<std::size_t>(pool.engines);
  // About 65,000 points of timelines in all, so that ten thousand engines stay affordable.
  const std::size_t bins = std::clamp<std::size_t>(65536 / total, 16, 512) & ~std::size_t{1};
  for (const Pool& pool : cluster_.pools) {
    EngineSettings settings;
    settings.pool = pool.name;
    settings.model = pool.model.name;
    settings.knobs = pool.knobs;
    settings.num_blocks = pool.num_blocks;
    settings.max_model_len = pool.max_model_len;
    settings.cache_bytes_per_token = pool.model.cache_per_token(pool.precision.cache_bits).value();
    settings.gpus = pool.gpus_per_engine;
    settings.host_bytes_per_second = pool.gpu.host_bandwidth.value() * settings.gpus;
    settings.peak_hbm_bytes_per_second = pool.gpu.memory_bandwidth.value() * settings.gpus;
    settings.peak_flops_per_second =
        (pool.precision.fp8_compute ? pool.gpu.fp8 : pool.gpu.bf16).value() * settings.gpus;
    settings.price_per_gpu_hour = pool.price_per_gpu_hour;
    settings.cost_model = pool.cost_model.get();
    for (int i = 0; i < pool.engines; ++i)
      engines_.push_back(std::make_unique<Engine>(settings, gaps_, bins));
  }
  plan_.resize(total);
  dispatching_.resize(total);
  doomed_.resize(total);
  places_.resize(total);
  stale_.resize(total);
  gaps_.by_turn.resize(Result::kMaxTurnGroup + 1);
  return {};
}

Group* Simulation::group_of(ModelId model) {
  const std::size_t index = static_cast<std::size_t>(model.value());
  if (index >= group_of_model_.size()) group_of_model_.resize(index + 1, -2);
  if (group_of_model_[index] == -2) {
    const std::string& name = trace_.tables().models[index];
    std::vector<std::uint32_t> named, any;
    std::uint32_t engine = 0;
    for (const Pool& pool : cluster_.pools) {
      for (int i = 0; i < pool.engines; ++i, ++engine) {
        if (pool.name == name || pool.model_name == name || pool.model.name == name)
          named.push_back(engine);
        if (pool.serves_every_model) any.push_back(engine);
      }
    }
    const std::vector<std::uint32_t>& engines = named.empty() ? any : named;
    group_of_model_[index] = -1;
    if (!engines.empty()) {
      const auto same = std::ranges::find(groups_, engines, &Group::engines);
      group_of_model_[index] = static_cast<std::int32_t>(same - groups_.begin());
      if (same == groups_.end()) {
        Group group;
        group.engines = engines;
        group.router = *make_router(cluster_.router, cluster_.router_parameters, cluster_.seed);
        group.views.resize(engines.size());
        for (std::uint32_t place = 0; place < engines.size(); ++place) {
          const EngineSettings& settings = engines_[engines[place]]->settings();
          group.views[place].cache_tokens = settings.num_blocks * settings.knobs.block_tokens;
          places_[engines[place]].push_back({static_cast<std::uint32_t>(groups_.size()), place});
        }
        groups_.push_back(std::move(group));
      }
    }
  }
  return group_of_model_[index] < 0 ? nullptr
                                    : &groups_[static_cast<std::size_t>(group_of_model_[index])];
}

// ---- what routers see ----

void Simulation::refresh(std::uint32_t engine) {
  const Scheduler& scheduler = engines_[engine]->scheduler();
  for (const Place& at : places_[engine]) {
    EngineView& view = groups_[at.group].views[at.place];
    view.as_of = queue_.now();
    view.waiting = scheduler.waiting();
    view.running = scheduler.running();
    view.pending_tokens = engines_[engine]->pending_tokens();
    view.used_blocks = static_cast<double>(scheduler.pool().used_blocks()) /
                       static_cast<double>(scheduler.pool().num_blocks());
    view.sent_requests = view.sent_tokens = 0;
  }
}

// Called whenever an engine's state changed.
void Simulation::observe_later() {
  if (observing_ || stale_engines_.empty()) return;
  observing_ = true;
  const std::int64_t period = cluster_.staleness.ns();
  const std::int64_t next = (queue_.now().ns() / period + 1) * period;
  queue_.schedule_at(TimePoint(next), Phase::kObservation, Observe{});
}

Expected<void> Simulation::handle(const Observe&) {
  observing_ = false;
  for (const std::uint32_t engine : stale_engines_) {
    stale_[engine] = 0;
    refresh(engine);
  }
  stale_engines_.clear();
  return {};
}

// ---- arrivals ----

void Simulation::schedule_arrival(std::uint32_t incoming, TimePoint when) {
  queue_.schedule_ordered(when, Phase::kArrival, incoming_[incoming].request.id.value(),
                          Arrival{incoming});
}

// Reads until the next open-loop request is scheduled, so that everything that may arrive by then
// is known.
Expected<void> Simulation::read_ahead() {
  while (more_) {
    std::uint32_t place;
    if (unused_incoming_.empty()) {
      place = static_cast<std::uint32_t>(incoming_.size());
      incoming_.emplace_back();
    } else {
      place = unused_incoming_.back();
      unused_incoming_.pop_back();
    }
    Incoming& incoming = incoming_[place];
    Expected<bool> any = trace_.next(incoming.request);
    if (!any) return any.error();
    more_ = *any;
    if (!more_) return {};
    ends_.push_back(TimePoint::never());
    const Request& request = incoming.request;
    if (request.arrival) {
      schedule_arrival(place, *request.arrival);
      return {};
    }
    incoming.parents_left = 0;
    incoming.last_end = TimePoint{};
    for (const RequestId parent : request.parents) {
      const TimePoint end = ends_[parent.value()];
      if (end == TimePoint::never()) {
        ++incoming.parents_left;
        children_[parent.value()].push_back(place);
      } else {
        incoming.last_end = std::max(incoming.last_end, end);
      }
    }
    if (incoming.parents_left == 0) {
      schedule_arrival(place, std::max(incoming.last_end + request.think, queue_.now()));
    }
  }
  return {};
}

void Simulation::settle_end(RequestId request, TimePoint end) {
  ends_[request.value()] = end;
  ++num_ended_;
  const auto found = children_.find(request.value());
  if (found == children_.end()) return;
  const std::vector<std::uint32_t> children = std::move(found->second);
  children_.erase(found);
  for (const std::uint32_t place : children) {
    Incoming& child = incoming_[place];
    child.last_end = std::max(child.last_end, end);
    if (--child.parents_left == 0) schedule_arrival(place, child.last_end + child.request.think);
  }
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

Expected<void> Simulation::handle(const Arrival& event) {
  const TimePoint now = queue_.now();
  const bool open_loop = incoming_[event.incoming].request.arrival.has_value();
  {
    const Request& request = incoming_[event.incoming].request;
    RequestResult& result = results_.emplace_back();
    result.request = request.id.value();
    result.tenant = static_cast<std::uint32_t>(request.tenant.value());
    result.turn = static_cast<std::uint32_t>(request.turn);
    result.slo = static_cast<std::uint32_t>(request.slo.value());
    result.task = static_cast<std::uint32_t>(request.task.value());
    result.session = request.session.value();
    result.arrival = now;
    result.prompt_tokens = request.prompt_tokens().value();
    if (result.tenant >= gaps_.by_tenant.size()) gaps_.by_tenant.resize(result.tenant + 1);

    Group* group = group_of(request.model);
    std::size_t place = 0;
    std::optional<Scheduler::Refusal> refused;
    if (group == nullptr) {
      refused = {"no pool serves the model it names",
                 trace_.tables().models[request.model.value()]};
    } else {
      const RoutableRequest routable{request.tenant,       request.session,
                                     request.turn,         request.prompt,
                                     result.prompt_tokens, request.max_tokens.value(),
                                     request.output,       request.priority};
      place = group->router->route(routable, group->views);
      SCSIM_CHECK_LT(place, group->engines.size());
      refused = engines_[group->engines[place]]->scheduler().refuse(result.prompt_tokens,
                                                                    request.output_tokens.value());
    }
    if (refused) {
      result.outcome = Outcome::kRefused;
      result.end = now;
      Refused& kind = refused_[refused->kind];
      if (kind.count++ == 0)
        kind.first = "request " + std::to_string(result.request) + ": " + refused->detail;
      settle_end(request.id, now);
    } else {
      const std::uint32_t engine = group->engines[place];
      group->views[place].sent_requests += 1;
      group->views[place].sent_tokens += result.prompt_tokens;
      result.engine = static_cast<std::int32_t>(engine);

      const std::uint32_t slot = new_active();
      Active& active = active_[slot];
      const std::uint32_t generation = active.generation + 1;
      active = Active{};
      active.generation = generation;
      active.result = results_.size() - 1;
      active.engine = engine;
      active.since = now;
      JobSpec spec;
      spec.tag = slot;
      spec.prompt = request.prompt;
      spec.output = request.output;
      spec.output_tokens = request.output_tokens.value();
      spec.max_tokens = request.max_tokens.value();
      spec.priority = request.priority;
      spec.arrival = now.ns();
      spec.tie = request.id.value();
      Engine& target = *engines_[engine];
      // Behind others that wait, first come first served, it cannot change what the engine does
      // now.
      const bool matters = target.scheduler().waiting() == 0 ||
                           target.settings().knobs.order == EngineKnobs::Order::kPriority;
      active.job = target.submit(spec, result.tenant,
                                 std::min<std::uint32_t>(result.turn, Result::kMaxTurnGroup), now);
      if (!target.in_step()) {
        dispatch_soon(engine);
      } else if (matters) {
        if (const auto end = target.cut(now)) plan_changed(engine, *end);
      }
      changed(engine);
      Duration patience = request.cancel_after.value_or(Duration{});
      active.fate = Outcome::kCancelled;
      const Duration limit = cluster_.request_timeout;
      if (limit > Duration{} && (patience == Duration{} || limit < patience)) {
        patience = limit;
        active.fate = Outcome::kTimedOut;
      }
      if (patience > Duration{}) {
        queue_.schedule_in(patience, Phase::kCompletion, Deadline{slot, generation});
      }
    }
  }
  unused_incoming_.push_back(event.incoming);
  if (open_loop) return read_ahead();
  return {};
}

void Simulation::changed(std::uint32_t engine) {
  if (cluster_.staleness == Duration{}) {
    refresh(engine);
    return;
  }
  if (!stale_[engine]) {
    stale_[engine] = 1;
    stale_engines_.push_back(engine);
  }
  observe_later();
}

// ---- engines ----

void Simulation::plan_changed(std::uint32_t engine, TimePoint end) {
  queue_.schedule_at(end, Phase::kCompletion, StepDone{engine, ++plan_[engine]});
}

void Simulation::dispatch_soon(std::uint32_t engine) {
  if (dispatching_[engine]) return;
  dispatching_[engine] = 1;
  queue_.schedule_in(Duration{}, Phase::kDispatch, Dispatch{engine});
}

Expected<void> Simulation::handle(const StepDone& event) {
  if (event.plan != plan_[event.engine]) return {};
  Engine& engine = *engines_[event.engine];
  engine.complete(queue_.now(), *this);
  for (const std::uint32_t slot : doomed_[event.engine]) {
    if (!active_[slot].doomed) continue;  // it finished in this very step
    const std::int64_t produced = engine.scheduler().produced(active_[slot].job);
    engine.cancel(active_[slot].job, queue_.now());
    end_request(slot, active_[slot].fate, produced);
  }
  doomed_[event.engine].clear();
  dispatch_soon(event.engine);
  changed(event.engine);
  return {};
}

Expected<void> Simulation::handle(const Dispatch& event) {
  dispatching_[event.engine] = 0;
  if (const auto end = engines_[event.engine]->start(queue_.now(), *this))
    plan_changed(event.engine, *end);
  changed(event.engine);
  return {};
}

Expected<void> Simulation::handle(const Deadline& event) {
  Active& active = active_[event.active];
  if (active.generation != event.generation || active.job == kNoJob) return {};
  Engine& engine = *engines_[active.engine];
  active.doomed = true;
  doomed_[active.engine].push_back(event.active);
  if (engine.in_step()) {
    if (const auto end = engine.cut(queue_.now())) plan_changed(active.engine, *end);
  }
  return {};
}

// ---- requests ----

// Divides the time since the phase began by what it was spent on (INV-LEDGER).
void Simulation::close_phase(Active& active) {
  RequestResult& result = results_[active.result];
  const auto at = [](Stage stage) { return static_cast<std::size_t>(stage); };
  if (active.phase == Active::Phase::kQueue) {
    result.stage_ns[at(Stage::kQueue)] += (queue_.now() - active.since).ns();
    return;
  }
  const PerStage<std::int64_t>& ledger = engines_[active.engine]->ledger();
  for (std::size_t s = 0; s < kNumStages; ++s) {
    const std::int64_t spent = ledger[s] - active.ledger[s];
    // A prefill waits for its steps whatever else rides in them.
    const bool kept = active.phase == Active::Phase::kDecode || s == at(Stage::kOther) ||
                      s == at(Stage::kRetrieval);
    result.stage_ns[kept ? s : at(Stage::kGeneration)] += spent;
  }
}

void Simulation::open_phase(Active& active, Active::Phase phase) {
  active.phase = phase;
  active.since = queue_.now();
  if (phase != Active::Phase::kQueue) active.ledger = engines_[active.engine]->ledger();
}

void Simulation::admitted(std::uint64_t tag, std::int64_t found, bool resumed, JobId job) {
  Active& active = active_[tag];
  RequestResult& result = results_[active.result];
  close_phase(active);
  open_phase(active, Active::Phase::kPrefill);
  if (!resumed) {
    result.scheduled = queue_.now();
    result.found_tokens = found;
  } else {
    const std::int64_t known = engines_[active.engine]->scheduler().known_tokens(job);
    result.recomputed_tokens += std::max<std::int64_t>(known - 1 - found, 0);
  }
}

void Simulation::preempted(std::uint64_t tag) {
  Active& active = active_[tag];
  close_phase(active);
  open_phase(active, Active::Phase::kQueue);
  ++results_[active.result].preemptions;
}

void Simulation::first_token(std::uint64_t tag) {
  Active& active = active_[tag];
  RequestResult& result = results_[active.result];
  close_phase(active);
  open_phase(active, Active::Phase::kDecode);
  if (result.output_tokens == 0) result.first_token = queue_.now();
  result.output_tokens = std::max<std::int64_t>(result.output_tokens, 1);
}

void Simulation::finished(std::uint64_t tag, std::int64_t produced) {
  end_request(static_cast<std::uint32_t>(tag), Outcome::kFinished, produced);
}

void Simulation::end_request(std::uint32_t slot, Outcome outcome, std::int64_t produced) {
  Active& active = active_[slot];
  RequestResult& result = results_[active.result];
  close_phase(active);
  result.outcome = outcome;
  result.output_tokens = produced;
  result.end = queue_.now();
  std::int64_t total = 0;
  for (const std::int64_t ns : result.stage_ns) total += ns;
  SCSIM_CHECK_EQ(total, (result.end - result.arrival).ns());  // INV-LEDGER
  active.job = kNoJob;
  active.doomed = false;
  unused_active_.push_back(slot);
  settle_end(RequestId(result.request), result.end);
}

// ---- the run ----

Expected<Result> Simulation::run() {
  if (auto built = build(); !built) return built.error();
  if (auto read = read_ahead(); !read) return read.error();
  while (!queue_.empty()) {
    const auto entry = queue_.pop();
    const Expected<void> handled =
        std::visit([this](const auto& event) { return handle(event); }, entry.event);
    if (!handled) return handled.error();
    if (options_.progress && (queue_.popped() & 0x1FFF) == 0 &&
        !options_.progress(trace_.progress(), num_ended_)) {
      return Error{"stopped"};
    }
  }
  // INV-CONSERVE: every request of the trace arrived and ended.
  SCSIM_CHECK(!more_);
  SCSIM_CHECK_EQ(ends_.size(), results_.size());
  SCSIM_CHECK_EQ(num_ended_, results_.size());
  Result result;
  finish_result(result);
  return result;
}

void Simulation::finish_result(Result& result) {
  result.trace = trace_.header();
  result.tables = trace_.tables();
  result.cluster_text = cluster_.text;
  result.router = cluster_.router;
  result.honesty = cluster_.honesty;
  for (const auto& [kind, refused] : refused_) {
    result.honesty.push_back(
        "refused: " + format_integer(static_cast<std::int64_t>(refused.count)) + " requests, " +
        kind + "; the first, " + refused.first);
  }
  const SloClass* fallback = nullptr;
  for (const SloClass& slo : cluster_.slos) {
    if (slo.name == "default") fallback = &slo;
  }
  for (const SloClass& declared : result.tables.slos) {
    SloClass target = declared;
    const bool untargeted = !declared.ttft && !declared.tpot && !declared.e2e;
    const auto named = std::ranges::find(cluster_.slos, declared.name, &SloClass::name);
    const SloClass* source = named != cluster_.slos.end() ? &*named
                             : untargeted                 ? fallback
                                                          : nullptr;
    if (source != nullptr) {
      target.ttft = source->ttft;
      target.tpot = source->tpot;
      target.e2e = source->e2e;
    }
    result.slos.push_back(target);
  }
  result.end = queue_.now();
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
  for (const auto& engine : engines_) {
    result.engines.push_back(engine->end_of_run(result.end, result.timeline_bin, result.lifetimes));
  }
}

}  // namespace

Expected<Result> simulate(TraceReader& trace, const Cluster& cluster,
                          const SimulationOptions& options) {
  return Simulation(trace, cluster, options).run();
}

}  // namespace scsim::sim
