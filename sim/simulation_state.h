// One run: its events, its requests under way and the handlers, which the files of the simulation
// share; nobody else includes this. An event's struct stands here, its handler in the file of its
// family: simulation_arrivals.cpp, simulation_engines.cpp, simulation_requests.cpp (what becomes of
// a request), simulation_store.cpp; simulation_result.cpp says what the run found.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "sim/admission.h"
#include "sim/arrivals.h"
#include "sim/engine.h"
#include "sim/event_queue.h"
#include "sim/failures.h"
#include "sim/frontend.h"
#include "sim/method_model.h"
#include "sim/simulation.h"
#include "sim/store/cache_identity.h"
#include "sim/store/session_prefetch.h"
#include "sim/store/tiered_store.h"

namespace scsim::sim {

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
struct Break {
  std::uint32_t component, draw;
  Duration lasts;
};
struct Repair {
  std::uint32_t component, draw, failure;
};
struct Retry {
  std::uint32_t active;
  std::uint32_t generation;
};

struct Scale {
  std::uint32_t pool;
};
struct Started {
  std::uint32_t engine;
};

struct LinkTurn {
  std::size_t failure;  // of the fabric's
  bool up;
};

struct HandedOver {
  std::uint32_t active;
  std::uint32_t generation;
};

using Event = std::variant<Arrival, StepDone, Dispatch, Deadline, Observe, TransferDone, Prefetch,
                           LinkTurn, HandedOver, Break, Repair, Retry, Scale, Started>;

// Requests between arrival and end.
struct Active {
  std::size_t result = 0;  // place in Result::requests
  std::uint32_t engine = 0;
  JobId job = kNoJob;
  std::uint32_t generation = 0;
  enum class Phase : std::uint8_t {
    kQueue,
    kLoad,
    kHandover,
    kPrefill,
    kDecode
  } phase = Phase::kQueue;
  bool limited = false;   // it has a deadline
  bool doomed = false;    // to be cancelled at the end of the step
  bool retrying = false;  // on no engine: to start again
  Outcome fate = Outcome::kCancelled;
  Arrivals::Place place{};          // where failures may make it start again
  TimePoint since;                  // of the phase
  PerStage<std::int64_t> ledger{};  // of the engine at that time
};

// A prompt that one engine computes and another answers (simulation_handover.cpp).
struct Handover {
  bool under_way = false;
  std::uint32_t prefill_engine = 0, decode_engine = 0;
  JobId prefill_job = kNoJob, decode_job = kNoJob;
  std::vector<Span> prompt;
  JobSpec later;                  // of the job that is submitted second
  bool answered_at_once = false;  // the first token is the last
  bool computed = false;
  bool no_way = false;     // led from one to the other when there was something to send
  std::int64_t found = 0;  // tokens that the decode engine had
  std::int64_t sent = 0;   // of the first ones, that it had or that are on their way
  bool started = false;
  TimePoint from;             // when it was
  std::vector<FlowId> flows;  // under way
};
// In JobSpec::tag, of a job at a prefill engine; in a transfer's tag, of KV handed over. The rest
// is the place in the list of active requests.
inline constexpr std::uint64_t kAtPrefill = std::uint64_t{1} << 32;
inline constexpr std::uint64_t kHandoverTransfer = std::uint64_t{1} << 63;

// What an engine's scheduler and blocks say to the store, with the engine's number.
class StoreAtEngine final : public KvSource, public EvictionListener {
 public:
  using Load = std::function<bool(JobId job, std::int64_t found, std::int64_t upto)>;
  StoreAtEngine(TieredStore& store, std::size_t number, Engine& engine, Load load)
      : store_(store), number_(number), engine_(engine), load_(std::move(load)) {}

  std::int64_t loadable(JobId job, std::int64_t found, std::int64_t most, TimePoint now) override {
    return store_.loadable(number_, engine_.scheduler().path(job), found, most, now);
  }
  bool load(JobId job, std::int64_t found, std::int64_t upto, TimePoint) override {
    return load_(job, found, upto);
  }
  double take_blocked_seconds() override { return store_.take_blocked_seconds(number_); }
  void evicted(PathId path, std::int64_t from, std::int64_t to, TimePoint now) override {
    store_.evicted(number_, path, from, to, engine_.settings().knobs.block_tokens, now);
  }

 private:
  TieredStore& store_;
  std::size_t number_;
  Engine& engine_;
  Load load_;
};

// What is broken; there where the cluster has failures.
struct Failing {
  static constexpr std::uint32_t kNone = ~0U;
  std::vector<Component> components;
  std::vector<FailureDraw> draws;
  std::vector<int> down, tier_down;     // how many failures keep it down
  std::vector<std::uint32_t> breaking;  // by engine: the failure that ends it with its step
  std::vector<TimePoint> down_since;
  std::vector<std::int64_t> down_for;  // nanoseconds, of times that are over
  std::vector<FailureResult> failures;
};

// Which engines are up; there where a pool is scaled.
struct Scaling {
  enum class State : std::uint8_t { kUp, kStarting, kDraining, kOff };
  struct OfEngine {
    State state = State::kUp;
    TimePoint off_since;
    std::int64_t off_for = 0;  // nanoseconds, of times that are over
    std::int64_t starts = 0;
  };
  struct OfPool {
    std::optional<Autoscaler> scaler;
    std::uint32_t first = 0;  // of its engines
    PoolLoad load;            // first tokens since the last look
  };
  std::vector<OfEngine> engines;
  std::vector<OfPool> pools;
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
  Expected<void> handle(const LinkTurn& event);
  Expected<void> handle(const HandedOver& event);
  Expected<void> handle(const Break& event);
  Expected<void> handle(const Repair& event);
  Expected<void> handle(const Retry& event);
  Expected<void> handle(const Scale& event);
  Expected<void> handle(const Started& event);

  Expected<void> make_fabric();
  void make_store();
  Expected<void> all_got_there() const;
  void expect_transfers();
  bool all_ended() const {
    return arrivals_.all_read() && arrivals_.num_ended() == arrivals_.requests();
  }
  void meet(std::uint32_t tenant);
  Use use_of(std::uint64_t tag) const;
  FetchResult& fetch_of(std::uint64_t tag) { return fetches_[active_[tag].result]; }
  void loaded_here(std::uint32_t engine);
  bool load_now(std::size_t engine, JobId job, std::int64_t found, std::int64_t upto);
  Expected<void> read_trace();
  void schedule_due();
  void refuse(RequestResult& result, const std::string& kind, const std::string& detail);
  JobSpec spec_of(const Request& request, std::uint32_t engine, std::uint32_t slot) const;
  JobId place(const JobSpec& spec, std::uint32_t engine, const RequestResult& result);

  std::optional<std::uint32_t> prefill_engine(const RoutableRequest& request, const JobSpec& spec,
                                              std::uint32_t decode);
  void begin_handover(std::uint32_t slot, const Request& request, JobSpec decode,
                      std::uint32_t prefill_engine);
  void place_later(Active& active, Handover& handover);
  void made_room(std::uint32_t slot, const Step::Load& load);
  std::optional<std::int64_t> claim(std::uint32_t slot, std::int64_t upto);
  void send(std::uint32_t slot, std::int64_t bytes, Duration delay);
  void computed_prompt(std::uint32_t slot);
  void moved_for(std::uint32_t slot, FlowId flow);
  void handed_over(std::uint32_t slot);
  void arrived_at(std::uint32_t engine, std::uint32_t slot);
  void drop_handover(std::uint32_t slot);
  void leave(std::uint32_t engine, JobId job);
  void settle(std::uint32_t engine);
  void between_steps(std::uint32_t engine);

  void turn_away(RequestResult& result, Outcome outcome);
  RoutableRequest routable(const Request& request, std::int64_t prompt_tokens) const;
  std::optional<std::uint32_t> route(const Request& request, std::int64_t prompt_tokens);
  void order(const Request& request, const RequestResult& result, std::uint32_t engine,
             JobSpec& spec) const;
  void submit(const Request& request, Arrivals::Place place, std::uint32_t engine);
  void start_on(const Request& request, std::uint32_t slot, std::uint32_t engine);
  void start_failures();
  void break_next(std::uint32_t component, std::uint32_t draw);
  void stop_engine(std::uint32_t engine);
  void start_later(std::uint32_t slot);
  void finish_failures(Result& result);
  void start_scaling();
  void add_engine(std::uint32_t first, std::uint32_t end, const Pool& pool);
  void remove_engine(std::uint32_t first, std::uint32_t end);
  void turn_off_if_drained(std::uint32_t engine);
  void count_first_token(const Active& active);
  void finish_scaling(Result& result) const;
  SloClass in_force(const SloClass& declared) const;
  const MethodModel* method_of(std::uint32_t engine, const RequestResult& request) const {
    return identity_.method(pool_of_engine_[engine], request.tenant, class_of(request));
  }
  const std::string& class_of(const RequestResult& request) const {
    return trace_.tables().slos[request.slo].name;
  }
  const CompressionRule* compression_of(std::uint32_t engine, const RequestResult& request) const {
    const MethodModel* method = method_of(engine, request);
    return method == nullptr ? nullptr : method->compression.get();
  }
  void set_deadline(const Request& request, std::uint32_t slot);
  void plan_changed(std::uint32_t engine, TimePoint end);
  Expected<void> check_progress(std::uint32_t engine) const;
  void dispatch_soon(std::uint32_t engine);
  void changed(std::uint32_t engine);
  std::uint32_t new_active();
  void first_answer(const Active& active);
  void doom(std::uint32_t slot);
  void give_up(std::uint32_t slot);
  void close_phase(Active& active);
  void open_phase(Active& active, Active::Phase phase);
  void end_request(std::uint32_t slot, Outcome outcome, std::int64_t produced);
  void finish_result(Result& result);
  void say_extrapolated(Result& result) const;

  void admitted(std::uint64_t tag, const Step::Admitted& how) override;
  void preempted(std::uint64_t tag) override;
  void loading(std::uint64_t tag, const Step::Load& load) override;
  void prefilling(std::uint64_t tag, const Step::Prefill& prefill, TimePoint end) override;
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
  std::unique_ptr<Fabric> fabric_;  // none where nothing moves between engines and tiers
  std::vector<Network::Done> moved_;
  std::unique_ptr<TieredStore> store_;  // none without tiers
  std::vector<std::unique_ptr<StoreAtEngine>> store_at_;
  std::optional<SessionPrefetch> prefetch_;  // none where no tier prefetches
  std::uint64_t transfer_ = 0;               // number of the TransferDone that counts
  std::optional<TimePoint> transfer_at_;
  std::vector<TieredStore::Loaded> arrived_;
  std::vector<std::vector<TieredStore::Loaded>> loaded_;  // during its step, by engine
  std::vector<FetchResult> fetches_;
  // Where pools have roles: by active request; by engine, jobs that go and requests whose KV has
  // come, both to be told it between steps; the engine whose step is just ending.
  std::vector<Handover> handovers_;
  std::vector<std::vector<JobId>> leaving_;
  std::vector<std::vector<std::pair<std::uint32_t, std::uint32_t>>> arriving_;  // and generation
  std::optional<std::uint32_t> completing_;
  std::vector<TransferResult> transfers_;
  std::vector<std::uint64_t> plan_;                 // number of each engine's plan
  std::vector<char> dispatching_;                   // a Dispatch event is on its way
  std::vector<std::vector<std::uint32_t>> doomed_;  // active requests to cancel, by engine
  Frontend frontend_;
  AdmissionGate gate_;
  std::vector<double> weights_;       // of tenants, as they come
  std::unique_ptr<Failing> failing_;  // none without failures
  std::unique_ptr<Scaling> scaling_;  // none without autoscaling

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

}  // namespace scsim::sim
