#include "sim/simulation.h"

#include <algorithm>
#include <map>
#include <variant>

#include "sim/arrivals.h"
#include "sim/engine.h"
#include "sim/event_queue.h"
#include "sim/frontend.h"
#include "sim/method_model.h"
#include "sim/store/cache_identity.h"
#include "sim/store/session_prefetch.h"
#include "sim/store/tiered_store.h"
#include "traces/text.h"

namespace scsim::sim {
namespace {

// ---- events; each is small and says what happened ----

struct Arrival {
  Arrivals::Place place;
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
struct TransferDone {
  std::uint64_t number;  // void if another is expected by then
};

struct Prefetch {
  std::uint64_t session;
};

using Event = std::variant<Arrival, StepDone, Dispatch, Deadline, Observe, TransferDone, Prefetch>;

// Requests between arrival and end.
struct Active {
  std::size_t result = 0;  // place in Result::requests
  std::uint32_t engine = 0;
  JobId job = kNoJob;
  std::uint32_t generation = 0;
  enum class Phase : std::uint8_t { kQueue, kLoad, kPrefill, kDecode } phase = Phase::kQueue;
  bool limited = false;  // it has a deadline
  bool doomed = false;   // to be cancelled at the end of the step
  Outcome fate = Outcome::kCancelled;
  TimePoint since;                  // of the phase
  PerStage<std::int64_t> ledger{};  // of the engine at that time
};

// What an engine's scheduler and blocks say to the store, with the engine's number.
class StoreAtEngine final : public KvSource, public EvictionListener {
 public:
  StoreAtEngine(TieredStore& store, std::size_t number, Engine& engine)
      : store_(store), number_(number), engine_(engine) {}

  std::int64_t loadable(JobId job, std::int64_t found, std::int64_t most, TimePoint now) override {
    return store_.loadable(number_, engine_.scheduler().path(job), found, most, now);
  }
  void evicted(PathId path, std::int64_t from, std::int64_t to, TimePoint now) override {
    store_.evicted(number_, path, from, to, engine_.settings().knobs.block_tokens, now);
  }

 private:
  TieredStore& store_;
  std::size_t number_;
  Engine& engine_;
};

class Simulation final : private Engine::Listener {
 public:
  Simulation(TraceReader& trace, const Cluster& cluster, const SimulationOptions& options);
  Expected<Result> run();

 private:
  Expected<void> handle(const Arrival& event);
  Expected<void> handle(const StepDone& event);
  Expected<void> handle(const Dispatch& event);
  Expected<void> handle(const Deadline& event);
  Expected<void> handle(const Observe& event);
  Expected<void> handle(const TransferDone& event);
  Expected<void> handle(const Prefetch& event);

  Expected<void> make_store();
  void expect_transfers();
  bool all_ended() const {
    return arrivals_.all_read() && arrivals_.num_ended() == arrivals_.requests();
  }
  void meet(std::uint32_t tenant);
  Use use_of(std::uint64_t tag) const;
  FetchResult& fetch_of(std::uint64_t tag) { return fetches_[active_[tag].result]; }
  void loaded_here(std::uint32_t engine);
  Expected<void> read_trace();
  void schedule_due();
  void refuse(RequestResult& result, const std::string& kind, const std::string& detail);
  void submit(const Request& request, std::uint32_t engine);
  const CompressionRule* compression_of(std::size_t pool, std::uint32_t tenant) const {
    const MethodModel* method = identity_.method(pool, tenant);
    return method == nullptr ? nullptr : method->compression.get();
  }
  void set_deadline(const Request& request, std::uint32_t slot);
  void plan_changed(std::uint32_t engine, TimePoint end);
  Expected<void> check_progress(std::uint32_t engine) const;
  void dispatch_soon(std::uint32_t engine);
  void changed(std::uint32_t engine);
  std::uint32_t new_active();
  void give_up(std::uint32_t slot);
  void close_phase(Active& active);
  void open_phase(Active& active, Active::Phase phase);
  void end_request(std::uint32_t slot, Outcome outcome, std::int64_t produced);
  void finish_result(Result& result);
  void say_extrapolated(Result& result) const;

  void admitted(std::uint64_t tag, const Step::Admitted& how) override;
  void preempted(std::uint64_t tag) override;
  void loading(std::uint64_t tag, const Step::Load& load) override;
  void first_token(std::uint64_t tag) override;
  void finished(std::uint64_t tag, std::int64_t produced) override;

  TraceReader& trace_;
  const Cluster& cluster_;
  const SimulationOptions& options_;
  EventQueue<Event> queue_;
  Arrivals arrivals_;
  std::vector<Arrivals::Due> due_;
  std::uint64_t coming_ = 0;  // arrivals in the queue

  GapBook gaps_;
  TokenPaths paths_;  // of all engines and the store
  std::vector<std::unique_ptr<Engine>> engines_;
  std::vector<std::size_t> pool_of_engine_;
  CacheIdentity identity_;
  std::size_t tenants_met_ = 0;
  std::unique_ptr<TieredStore> store_;  // none without tiers
  std::vector<std::unique_ptr<StoreAtEngine>> store_at_;
  std::optional<SessionPrefetch> prefetch_;  // none where no tier prefetches
  std::uint64_t transfer_ = 0;               // number of the TransferDone that counts
  std::optional<TimePoint> transfer_at_;
  std::vector<TieredStore::Loaded> arrived_;
  std::vector<std::vector<TieredStore::Loaded>> loaded_;  // during its step, by engine
  std::vector<FetchResult> fetches_;
  std::vector<std::uint64_t> plan_;                 // number of each engine's plan
  std::vector<char> dispatching_;                   // a Dispatch event is on its way
  std::vector<std::vector<std::uint32_t>> doomed_;  // active requests to cancel, by engine
  Frontend frontend_;

  std::vector<Active> active_;
  std::vector<std::uint32_t> unused_active_;
  std::vector<RequestResult> results_;
  struct Refused {
    std::uint64_t count = 0;
    std::string first;
  };
  std::map<std::string, Refused> refused_;  // by kind of reason
  TimePoint end_;                           // of the last request; void deadlines may follow it
};

std::vector<std::unique_ptr<Engine>> make_engines(const Cluster& cluster, GapBook& gaps,
                                                  TokenPaths& paths) {
  std::size_t total = 0;
  for (const Pool& pool : cluster.pools) total += static_cast<std::size_t>(pool.engines);
  // About 65,000 points of timelines in all, so that ten thousand engines stay affordable.
  const std::size_t bins = std::clamp<std::size_t>(65536 / total, 16, 512) & ~std::size_t{1};
  std::vector<std::unique_ptr<Engine>> engines;
  for (const Pool& pool : cluster.pools) {
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
    const FlopsPerSecond peak = pool.precision.fp8_compute ? pool.gpu.fp8 : pool.gpu.bf16;
    settings.peak_flops_per_second = peak.value() * settings.gpus;
    settings.price_per_gpu_hour = pool.price_per_gpu_hour;
    settings.cost_model = pool.cost_model.get();
    settings.limits = CacheIdentity::hbm_limits(cluster, pool);
    for (int i = 0; i < pool.engines; ++i) {
      engines.push_back(std::make_unique<Engine>(settings, gaps, bins, &paths));
    }
  }
  return engines;
}

Simulation::Simulation(TraceReader& trace, const Cluster& cluster, const SimulationOptions& options)
    : trace_(trace),
      cluster_(cluster),
      options_(options),
      arrivals_(trace),
      engines_(make_engines(cluster, gaps_, paths_)),
      identity_(cluster),
      loaded_(engines_.size()),
      plan_(engines_.size()),
      dispatching_(engines_.size()),
      doomed_(engines_.size()),
      frontend_(cluster, engines_) {
  gaps_.by_turn.resize(Result::kMaxTurnGroup + 1);
  for (std::size_t pool = 0; pool < cluster.pools.size(); ++pool) {
    pool_of_engine_.insert(pool_of_engine_.end(),
                           static_cast<std::size_t>(cluster.pools[pool].engines), pool);
  }
}

// ---- the store ----

Expected<void> Simulation::make_store() {
  if (cluster_.store.tiers.empty()) return {};
  auto store = TieredStore::make(cluster_, paths_);
  if (!store) return store.error();
  store_ = *std::move(store);
  frontend_.set_tiers(store_->facts());
  for (std::size_t i = 0; i < engines_.size(); ++i) {
    store_at_.push_back(std::make_unique<StoreAtEngine>(*store_, i, *engines_[i]));
    engines_[i]->scheduler().set_source(store_at_[i].get());
    engines_[i]->scheduler().pool().set_listener(store_at_[i].get());
  }
  if (store_->prefetches()) prefetch_.emplace(cluster_.store.prefetch_after, paths_);
  return {};
}

Expected<void> Simulation::handle(const Prefetch& event) {
  if (all_ended()) return {};
  const auto context = prefetch_->due(event.session, queue_.now());
  if (!context) return {};
  store_->prefetch(context->engine, context->path, context->tokens,
                   {queue_.now(), context->tenant, results_.back().request});
  paths_.drop_reference(context->path);
  return {};
}

// Whoever may have started transfers calls this.
void Simulation::expect_transfers() {
  if (store_ == nullptr) return;
  // What moves after the last request has ended is nobody's concern.
  if (all_ended()) return;
  const auto when = store_->next();
  if (!when || (transfer_at_ && *transfer_at_ <= *when)) return;
  transfer_at_ = *when;
  // What takes no time ends behind what began it.
  const Phase phase = *when > queue_.now() ? Phase::kCompletion : Phase::kDispatch;
  queue_.schedule_at(*when, phase, TransferDone{++transfer_});
}

Expected<void> Simulation::handle(const TransferDone& event) {
  if (event.number != transfer_) return {};
  if (all_ended()) return {};
  transfer_at_.reset();
  arrived_.clear();
  store_->advance(queue_.now(), arrived_);
  for (const TieredStore::Loaded& loaded : arrived_) {
    const auto slot = static_cast<std::uint32_t>(loaded.tag);
    const Active& active = active_[slot];
    if (active.generation != loaded.tag >> 32 || active.job == kNoJob) continue;  // given up
    const std::uint32_t engine = active.engine;
    loaded_[engine].push_back(loaded);
    if (!engines_[engine]->in_step()) {
      loaded_here(engine);
      dispatch_soon(engine);
      changed(engine);
    } else if (const auto end = engines_[engine]->cut(queue_.now())) {
      plan_changed(engine, *end);
    }
  }
  return {};
}

// REQUIRES: the engine is between steps.
void Simulation::loaded_here(std::uint32_t engine) {
  for (const TieredStore::Loaded& loaded : loaded_[engine]) {
    Active& active = active_[static_cast<std::uint32_t>(loaded.tag)];
    if (active.generation != loaded.tag >> 32 || active.job == kNoJob) continue;
    engines_[engine]->loaded(active.job, loaded.tokens, loaded.lossy, queue_.now());
    close_phase(active);
    open_phase(active, Active::Phase::kQueue);
    FetchResult& fetch = fetches_[active.result];
    fetch.wait_ns += loaded.fetch.wait_ns;
    if (results_[active.result].preemptions > 0) continue;
    fetch.tokens = loaded.fetch.tokens;
    fetch.lossy_tokens = loaded.fetch.lossy_tokens;
    fetch.avoided_ns = loaded.fetch.avoided_ns;
  }
  loaded_[engine].clear();
}

// Names of tenants come with the trace.
void Simulation::meet(std::uint32_t tenant) {
  const auto& tenants = trace_.tables().tenants;
  for (; tenants_met_ <= tenant; ++tenants_met_) {
    const auto id = static_cast<std::uint32_t>(tenants_met_);
    identity_.tenant_seen(id, tenants[tenants_met_].name);
    if (store_ != nullptr) store_->tenant_seen(id, tenants[tenants_met_].name);
  }
}

Use Simulation::use_of(std::uint64_t tag) const {
  const RequestResult& result = results_[active_[tag].result];
  return {queue_.now(), result.tenant, result.request};
}

// ---- arrivals ----

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
  meet(result.tenant);
  if (prefetch_) prefetch_->arrived(result.session, result.tenant, queue_.now());

  const RoutableRequest routable{request.tenant, request.session,      request.turn,
                                 request.prompt, result.prompt_tokens, request.max_tokens.value(),
                                 request.output, request.priority};
  const std::string& model = trace_.tables().models[request.model.value()];
  if (const auto engine = frontend_.route(routable, request.model, model); !engine) {
    refuse(result, "no pool serves the model it names", model);
  } else if (const auto refusal = engines_[*engine]->scheduler().refuse(
                 result.prompt_tokens, request.max_tokens.value(),
                 identity_.partition(result.tenant),
                 compression_of(pool_of_engine_[*engine], result.tenant))) {
    refuse(result, refusal->kind, refusal->detail);
  } else {
    submit(request, *engine);
  }
  arrivals_.forget(event.place);
  return open_loop ? read_trace() : Expected<void>{};
}

void Simulation::refuse(RequestResult& result, const std::string& kind, const std::string& detail) {
  result.outcome = Outcome::kRefused;
  result.end = queue_.now();
  Refused& refused = refused_[kind];
  if (refused.count++ == 0)
    refused.first = "request " + std::to_string(result.request) + ": " + detail;
  end_ = result.end;
  arrivals_.ended(RequestId(result.request), result.end, due_);
  schedule_due();
}

void Simulation::submit(const Request& request, std::uint32_t engine) {
  const std::uint32_t slot = new_active();
  Active& active = active_[slot];
  const std::uint32_t generation = active.generation + 1;
  active = Active{};
  active.generation = generation;
  active.result = results_.size() - 1;
  active.engine = engine;
  active.since = queue_.now();
  RequestResult& result = results_.back();
  result.engine = static_cast<std::int32_t>(engine);

  JobSpec spec;
  spec.tag = slot;
  spec.prompt = request.prompt;
  spec.output = request.output;
  spec.output_tokens = request.output_tokens.value();
  spec.max_tokens = request.max_tokens.value();
  spec.salt = identity_.salt(pool_of_engine_[engine], result.tenant, result.session);
  if (const MethodModel* method = identity_.method(pool_of_engine_[engine], result.tenant)) {
    spec.method = method;
    spec.compression = method->compression.get();
    spec.lossy = method->reuse != methods::ReuseClass::kExact;
  }
  spec.partition = identity_.partition(result.tenant);
  spec.priority = request.priority;
  spec.arrival = queue_.now().ns();
  spec.tie = request.id.value();
  Engine& target = *engines_[engine];
  // Behind others that wait, first come first served, it cannot change what the engine does now,
  // unless those wait for limits of their own tenants.
  const bool matters = target.scheduler().waiting() == 0 || !target.settings().limits.empty() ||
                       target.settings().knobs.order == EngineKnobs::Order::kPriority;
  const std::uint32_t turn = std::min<std::uint32_t>(result.turn, Result::kMaxTurnGroup);
  active.job = target.submit(spec, result.tenant, turn, queue_.now());
  if (!target.in_step()) {
    dispatch_soon(engine);
  } else if (matters) {
    if (const auto end = target.cut(queue_.now())) plan_changed(engine, *end);
  }
  changed(engine);
  set_deadline(request, slot);
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
  queue_.schedule_in(patience, Phase::kCompletion, Deadline{slot, active_[slot].generation});
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

// ---- engines ----

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
  engine.complete(queue_.now(), *this);
  for (const std::uint32_t slot : doomed_[event.engine]) {
    if (active_[slot].doomed) give_up(slot);  // else it finished in this very step
  }
  doomed_[event.engine].clear();
  loaded_here(event.engine);
  dispatch_soon(event.engine);
  changed(event.engine);
  return {};
}

Expected<void> Simulation::handle(const Dispatch& event) {
  dispatching_[event.engine] = 0;
  if (const auto end = engines_[event.engine]->start(queue_.now(), *this))
    plan_changed(event.engine, *end);
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
    if (other.running() + other.waiting() + other.loading() > 0 && !other.endless()) return {};
  }
  const auto has_deadline = [](const Active& a) { return a.job != kNoJob && a.limited; };
  if (std::ranges::any_of(active_, has_deadline)) return {};

  const Engine& engine = *engines_[place];
  const auto request = [&](JobId job) {
    return results_[active_[engine.scheduler().tag(job)].result].request;
  };
  const auto [one, other] = std::minmax({request(endless->first), request(endless->second)});
  return Error{"pool " + engine.settings().pool + ", engine " + std::to_string(place) +
               ": requests " + std::to_string(one) + " and " + std::to_string(other) +
               " preempt each other for ever: before one of them has computed its prompt, the "
               "other takes its blocks. Set engine.reserve_full_prompt: true, or give it more "
               "blocks (engine.num_blocks)"};
}

Expected<void> Simulation::handle(const Deadline& event) {
  Active& active = active_[event.active];
  if (active.generation != event.generation || active.job == kNoJob) return {};
  const std::uint32_t place = active.engine;
  if (!engines_[place]->in_step()) {
    give_up(event.active);
    changed(place);
    return {};
  }
  active.doomed = true;
  doomed_[place].push_back(event.active);
  if (const auto end = engines_[place]->cut(queue_.now())) plan_changed(place, *end);
  return {};
}

// ---- requests ----

// Ends a request before it has finished. REQUIRES: its engine is between steps.
void Simulation::give_up(std::uint32_t slot) {
  const Active& active = active_[slot];
  Engine& engine = *engines_[active.engine];
  const std::int64_t produced = engine.scheduler().produced(active.job);
  engine.cancel(active.job, queue_.now());
  end_request(slot, active.fate, produced);
}

// Divides the time since the phase began by what it was spent on (INV-LEDGER).
void Simulation::close_phase(Active& active) {
  RequestResult& result = results_[active.result];
  const auto at = [](Stage stage) { return static_cast<std::size_t>(stage); };
  if (active.phase == Active::Phase::kQueue) {
    result.stage_ns[at(Stage::kQueue)] += (queue_.now() - active.since).ns();
    return;
  }
  if (active.phase == Active::Phase::kLoad) {
    result.stage_ns[at(Stage::kRetrieval)] += (queue_.now() - active.since).ns();
    return;
  }
  const PerStage<std::int64_t>& ledger = engines_[active.engine]->ledger();
  for (std::size_t s = 0; s < kNumStages; ++s) {
    const std::int64_t spent = ledger[s] - active.ledger[s];
    // A prefill waits for its steps whatever else rides in them.
    const bool kept = active.phase == Active::Phase::kDecode || s == at(Stage::kOther) ||
                      s == at(Stage::kRetrieval) || s == at(Stage::kCompression);
    result.stage_ns[kept ? s : at(Stage::kGeneration)] += spent;
  }
}

void Simulation::open_phase(Active& active, Active::Phase phase) {
  active.phase = phase;
  active.since = queue_.now();
  if (phase == Active::Phase::kPrefill || phase == Active::Phase::kDecode)
    active.ledger = engines_[active.engine]->ledger();
}

void Simulation::admitted(std::uint64_t tag, const Step::Admitted& how) {
  Active& active = active_[tag];
  RequestResult& result = results_[active.result];
  close_phase(active);
  open_phase(active, Active::Phase::kPrefill);
  if (!how.resumed) {
    result.scheduled = queue_.now();
    result.found_tokens = how.found;
    if (store_ == nullptr && how.found_lossy > 0) {
      fetches_.resize(results_.size());
      fetch_of(tag).found_lossy_tokens = how.found_lossy;
    }
    if (store_ != nullptr) {
      FetchResult& fetch = fetch_of(tag);
      fetch.found_lossy_tokens = how.found_lossy;
      if (how.loaded == 0) {
        fetch = FetchResult{.found_lossy_tokens = how.found_lossy, .wait_ns = fetch.wait_ns};
        store_->asked(active.engine, engines_[active.engine]->scheduler().path(active.job),
                      result.prompt_tokens, how.found, use_of(tag));
      }
    }
  }
  result.recomputed_tokens += how.lost;
}

void Simulation::preempted(std::uint64_t tag) {
  Active& active = active_[tag];
  close_phase(active);
  open_phase(active, Active::Phase::kQueue);
  ++results_[active.result].preemptions;
}

void Simulation::loading(std::uint64_t tag, const Step::Load& load) {
  Active& active = active_[tag];
  close_phase(active);
  open_phase(active, Active::Phase::kLoad);
  const Scheduler& scheduler = engines_[active.engine]->scheduler();
  const PathId path = scheduler.path(active.job);
  const std::int64_t known = scheduler.known_tokens(active.job);
  if (!load.resumed) store_->asked(active.engine, path, known, load.found, use_of(tag));
  store_->begin_load(active.engine, path, load.found, known - 1,
                     tag | std::uint64_t{active.generation} << 32, use_of(tag));
}

void Simulation::first_token(std::uint64_t tag) {
  Active& active = active_[tag];
  RequestResult& result = results_[active.result];
  close_phase(active);
  open_phase(active, Active::Phase::kDecode);
  if (store_ != nullptr)
    store_->computed(active.engine, engines_[active.engine]->scheduler().path(active.job), 0,
                     result.prompt_tokens, use_of(tag));
  if (result.output_tokens == 0) result.first_token = queue_.now();
  result.output_tokens = std::max<std::int64_t>(result.output_tokens, 1);
}

void Simulation::finished(std::uint64_t tag, std::int64_t produced) {
  const Active& active = active_[tag];
  if (prefetch_) {
    const RequestResult& result = results_[active.result];
    const PathId path = engines_[active.engine]->scheduler().path(active.job);
    const auto due = prefetch_->ended(
        result.session, {active.engine, path, result.prompt_tokens + produced - 1, result.tenant},
        queue_.now());
    if (due)
      queue_.schedule_at(std::max(*due, queue_.now()), Phase::kDispatch, Prefetch{result.session});
  }
  if (store_ != nullptr && cluster_.store.answers) {  // the last token's KV was not computed
    const std::int64_t prompt = results_[active.result].prompt_tokens;
    store_->computed(active.engine, engines_[active.engine]->scheduler().path(active.job), prompt,
                     prompt + produced - 1, use_of(tag));
  }
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
  end_ = result.end;
  arrivals_.ended(RequestId(result.request), result.end, due_);
  schedule_due();
}

// ---- the run ----

Expected<Result> Simulation::run() {
  if (Expected<void> made = make_store(); !made) return made.error();
  if (Expected<void> read = read_trace(); !read) return read.error();
  while (!queue_.empty()) {
    const auto entry = queue_.pop();
    const Expected<void> handled =
        std::visit([this](const auto& event) { return handle(event); }, entry.event);
    if (!handled) return handled.error();
    expect_transfers();
    if (options_.progress && (queue_.popped() & 0x1FFF) == 0 &&
        !options_.progress(trace_.progress(), arrivals_.num_ended())) {
      return Error{"stopped"};
    }
  }
  // INV-CONSERVE: every request of the trace arrived and ended.
  SCSIM_CHECK(arrivals_.all_read());
  SCSIM_CHECK_EQ(arrivals_.requests(), results_.size());
  SCSIM_CHECK_EQ(arrivals_.num_ended(), results_.size());
  Result result;
  finish_result(result);
  return result;
}

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
  if (store_ != nullptr) {
    result.timeline_bin = std::max(result.timeline_bin, store_->timeline_width());
    store_->end_of_run(result);
  }
  if (!fetches_.empty()) {  // of tiers, or of lossy caches in the engines' own memory
    fetches_.resize(result.requests.size());
    result.fetches = std::move(fetches_);
  }
  say_extrapolated(result);
  for (const std::string& name : identity_.unseen())
    result.honesty.push_back("unused: the trace has no tenant " + name);
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
