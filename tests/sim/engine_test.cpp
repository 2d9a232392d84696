// An engine's times in closed form against times added up step by step.
#include "sim/engine.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <map>

#include "tests/oracle/engine_oracle.h"
#include "tests/sim/scheduler_run.h"
#include "tests/sim/small_cluster.h"

namespace scsim::sim {
namespace {

using oracle::EngineRun;
using oracle::SchedulerOracle;
using test::LinearCost;

constexpr double kSwapSeconds = 3e-6;  // of one token's KV, to the host or back

LinearCost random_cost(Rng& rng, const std::vector<std::int64_t>& windows) {
  LinearCost cost;
  cost.step = rng.uniform(1e-4, 2e-3);
  cost.prefill_token = rng.uniform(0, 1e-5);
  cost.prefill_pair = rng.uniform(0, 1e-7);
  cost.decode_sequence = rng.uniform(0, 1e-4);
  cost.context_token = rng.uniform(0, 1e-5);
  cost.windowed_token = rng.uniform(0, 1e-5);
  cost.windows = windows;
  return cost;
}

oracle::StepSeconds step_seconds(const LinearCost& cost) {
  return [cost](const SchedulerOracle::Step& step) {
    double seconds = cost.step;
    seconds += static_cast<double>(step.swapped_in + step.swapped_out) * kSwapSeconds;
    for (const auto& part : step.computed) {
      if (part.decode) {
        const std::int64_t context = part.cached + 1;
        seconds += cost.decode_sequence + cost.context_token * static_cast<double>(context);
        for (const std::int64_t window : cost.windows)
          seconds += cost.windowed_token * static_cast<double>(std::min(context, window));
        continue;
      }
      seconds += cost.prefill_token * static_cast<double>(part.fresh);
      for (std::int64_t i = 1; i <= part.fresh; ++i)
        seconds += cost.prefill_pair * static_cast<double>(part.cached + i);
    }
    return seconds;
  };
}

// The same requests as a trace and as the oracle takes them. Traces number contents from 0.
struct Inputs {
  test::SmallTrace trace;
  std::vector<oracle::TimedRequest> timed;
};

Inputs make_inputs(const test::RandomScheduling& scheduling, Rng& rng, double step_ns) {
  Inputs inputs;
  std::map<std::uint64_t, std::int64_t> lengths;
  for (const test::RandomRequest& request : scheduling.requests) {
    std::int64_t& answer = lengths[request.output.value()];
    answer = std::max(answer, request.output_tokens);
    for (const Span& span : request.prompt) {
      std::int64_t& length = lengths[span.content.value()];
      length = std::max(length, span.first.value() + span.count.value());
    }
  }
  std::map<std::uint64_t, ContentId> content;
  for (const auto& [name, length] : lengths) content[name] = inputs.trace.content(length);

  std::int64_t arrival = 0, step = 0;
  for (const test::RandomRequest& request : scheduling.requests) {
    arrival += static_cast<std::int64_t>(static_cast<double>(request.arrival_step - step) *
                                         step_ns * rng.uniform(0.5, 1.5));
    step = request.arrival_step;
    std::vector<Span> prompt = request.prompt;
    for (Span& span : prompt) span.content = content[span.content.value()];
    Request& asked = inputs.trace.ask(TimePoint(arrival), prompt, request.output_tokens);
    asked.output = content[request.output.value()];
    asked.max_tokens = Tokens(request.max_tokens);
    asked.priority = request.priority;
    oracle::TimedRequest timed;
    timed.spec.tag = inputs.timed.size();
    timed.spec.written.tokens = test::written_out(prompt);
    for (std::int64_t i = 0; i < request.output_tokens; ++i)
      timed.spec.written.tokens.emplace_back(asked.output.value(), i);
    timed.spec.prompt = request.prompt_tokens;
    timed.spec.output = request.output_tokens;
    timed.spec.max_output = request.max_tokens;
    timed.spec.priority = request.priority;
    timed.spec.arrival = timed.arrival_ns = arrival;
    if (request.cancel_step) {
      timed.cancel_after_ns = 1 + static_cast<std::int64_t>(rng.uniform(0, 40) * step_ns);
      asked.cancel_after = Duration(*timed.cancel_after_ns);
    }
    inputs.timed.push_back(std::move(timed));
  }
  return inputs;
}

// Rounding moves the end of a segment by half a nanosecond at most, and a run of n steps has at
// most n segments, so times differ by less than n nanoseconds. No decision differs: random arrivals
// do not fall that close to the end of a step.
void require_same(const Result& ours, const EngineRun& expected) {
  const double tolerance = static_cast<double>(expected.steps);
  const auto close = [&](TimePoint time, long double ns) {
    return std::abs(static_cast<double>(static_cast<long double>(time.ns()) - ns)) <= tolerance;
  };
  REQUIRE(ours.requests.size() == expected.requests.size());
  double gap_seconds = 0;
  std::uint64_t gaps = 0;
  for (std::size_t i = 0; i < expected.requests.size(); ++i) {
    const RequestResult& request = test::result_of(ours, i);
    const oracle::EngineTimes& times = expected.requests[i];
    CAPTURE(i, request.end.ns(), static_cast<double>(times.end), tolerance);
    REQUIRE(request.outcome == (times.finished ? Outcome::kFinished : Outcome::kCancelled));
    REQUIRE(request.output_tokens == static_cast<std::int64_t>(times.tokens.size()));
    REQUIRE(request.preemptions == times.preemptions);
    REQUIRE(close(request.end, times.end));
    if (times.scheduled >= 0) {
      REQUIRE(close(request.scheduled, times.scheduled));
      REQUIRE(request.found_tokens == times.found);
    }
    if (!times.tokens.empty()) {
      REQUIRE(close(request.first_token, times.tokens.front()));
      gap_seconds += static_cast<double>(times.tokens.back() - times.tokens.front()) * 1e-9;
      gaps += times.tokens.size() - 1;
    }
  }
  REQUIRE(ours.engines[0].steps == expected.steps);
  REQUIRE(ours.engines[0].prefill_tokens == expected.prefill_tokens);
  REQUIRE(ours.engines[0].decode_tokens == expected.decode_tokens);
  std::uint64_t counted = 0;
  for (const std::uint64_t count : ours.gaps.count) counted += count;
  REQUIRE(counted == gaps);
  REQUIRE(ours.gaps.sum_seconds == Approx(gap_seconds).epsilon(1e-6).margin(1e-9));
}

TEST_CASE("segments in closed form end where steps added up one by one end, and decide the same",
          "[sim][engine]") {
  std::int64_t steps = 0;
  for (std::uint64_t trial = 6'700; trial < 6'850;
       ++trial) {  // 6,834 swaps out in a plan of its own
    Rng rng(trial, "test.engine");
    test::RandomScheduling scheduling = test::random_scheduling(rng);
    if (scheduling.knobs.share_duplicates) scheduling.num_blocks += 10'000;
    for (test::RandomRequest& request : scheduling.requests) request.salt = 0;
    const LinearCost cost = random_cost(rng, scheduling.windows);
    const Inputs inputs = make_inputs(scheduling, rng, cost.step * 1.5e9);
    CAPTURE(trial, scheduling.describe());
    const auto expected =
        oracle::run_engine(scheduling.knobs, scheduling.num_blocks, scheduling.max_model_len,
                           inputs.timed, step_seconds(cost), 20'000);
    if (!expected) continue;  // it preempts for ever
    Cluster cluster = test::small_cluster(cost, scheduling.knobs, scheduling.num_blocks);
    Pool& pool = cluster.pools[0];
    pool.max_model_len = scheduling.max_model_len;
    // One head of one element: key and value are 4 bytes a token.
    pool.model.layers = {{.count = 1, .query_heads = 1, .kv_heads = 1, .head_dim = 1}};
    REQUIRE(pool.model.cache_per_token(16).value() == 4);
    pool.gpu.host_bandwidth = BytesPerSecond(4 / kSwapSeconds);
    require_same(test::run(inputs.trace, cluster), *expected);
    steps += expected->steps;
  }
  CHECK(steps > 10'000);
}

// Delays and outcomes of loads, alike for both engines.
class DrawnLoads {
 public:
  DrawnLoads(const test::RandomScheduling& scheduling, double step_ns)
      : scheduling_(scheduling), step_ns_(step_ns) {}

  std::int64_t loadable(std::uint64_t tag, std::int64_t found, std::int64_t most) {
    return std::max(found, std::min(most, scheduling_.load(tag, times_[tag]).stored));
  }
  oracle::TimedLoads::Load begin(std::uint64_t tag, std::int64_t found, std::int64_t upto) {
    const test::RandomLoad load = scheduling_.load(tag, times_[tag]++);
    const double delay = (static_cast<double>(load.delay) + load.delivered * 0.618) * step_ns_;
    return {found + static_cast<std::int64_t>(load.delivered * static_cast<double>(upto - found)),
            static_cast<std::int64_t>(delay) + static_cast<std::int64_t>(tag), load.lossy};
  }

 private:
  const test::RandomScheduling& scheduling_;
  double step_ns_;
  std::map<std::uint64_t, std::uint64_t> times_;
};

// An engine driven as the simulation drives it: what happens inside a step cuts the segment at the
// end of the step.
class DrivenEngine final : private Engine::Listener, private KvSource {
 public:
  DrivenEngine(const EngineSettings& settings, const test::RandomScheduling& scheduling,
               const std::vector<oracle::TimedRequest>& timed, DrawnLoads loads)
      : engine_(settings, book_, 16), scheduling_(scheduling), timed_(timed), loads_(loads) {
    engine_.scheduler().set_source(this);
    book_.by_tenant.resize(1);
    book_.by_turn.resize(1);
    times_.resize(timed.size());
    jobs_.resize(timed.size(), kNoJob);
  }

  std::vector<oracle::EngineTimes> run() {
    while (const auto next = next_time()) {
      now_ = *next;
      if (engine_.in_step() && step_end_ == now_) {
        engine_.complete(now_, *this);
        for (const std::uint64_t tag : doomed_) cancel(tag);
        doomed_.clear();
      }
      for (; arrived_ < timed_.size() && timed_[arrived_].arrival_ns == now_.ns(); ++arrived_) {
        jobs_[arrived_] =
            engine_.submit(test::job_spec(scheduling_.requests[arrived_], arrived_), 0, 0, now_);
        cut();
      }
      for (std::uint64_t tag = 0; tag < arrived_; ++tag) {
        if (cancel_time(tag) != now_) continue;
        engine_.in_step() ? doomed_.push_back(tag) : cancel(tag);
        cut();
      }
      const auto due = loading_.find(now_);
      if (due != loading_.end() && engine_.in_step()) cut();
      if (!engine_.in_step()) {
        for (auto load = loading_.begin(); load != loading_.end() && load->first <= now_;
             load = loading_.erase(load)) {
          const auto& [tag, what] = load->second;
          engine_.loaded(jobs_[tag], what.tokens, what.lossy, now_);
        }
        if (const auto end = engine_.start(now_, *this)) step_end_ = *end;
      }
      engine_.scheduler().pool().check_everything();
    }
    return std::move(times_);
  }
  std::int64_t load_alone() const { return load_alone_; }

 private:
  std::optional<TimePoint> cancel_time(std::uint64_t tag) const {
    if (jobs_[tag] == kNoJob || !timed_[tag].cancel_after_ns) return std::nullopt;
    return TimePoint(timed_[tag].arrival_ns + *timed_[tag].cancel_after_ns);
  }
  std::optional<TimePoint> next_time() const {
    std::vector<TimePoint> times;
    if (engine_.in_step()) times.push_back(step_end_);
    if (arrived_ < timed_.size()) times.emplace_back(timed_[arrived_].arrival_ns);
    for (std::uint64_t tag = 0; tag < arrived_; ++tag)
      if (const auto time = cancel_time(tag); time && *time > now_) times.push_back(*time);
    for (const auto& [time, load] : loading_)
      if (time > now_ || !engine_.in_step()) times.push_back(time);
    if (times.empty()) return std::nullopt;
    return std::ranges::min(times);
  }
  void cut() {
    if (!engine_.in_step()) return;
    if (const auto end = engine_.cut(now_)) step_end_ = *end;
  }
  void cancel(std::uint64_t tag) {
    if (jobs_[tag] == kNoJob) return;  // it has finished in this very step
    engine_.cancel(jobs_[tag], now_);
    std::erase_if(loading_, [&](const auto& load) { return load.second.first == tag; });
    jobs_[tag] = kNoJob;
    times_[tag].end = static_cast<long double>(now_.ns());
  }

  std::int64_t loadable(JobId job, std::int64_t found, std::int64_t most, TimePoint now) override {
    REQUIRE(now == now_);
    return loads_.loadable(engine_.scheduler().tag(job), found, most);
  }
  void admitted(std::uint64_t tag, const Step::Admitted& how) override {
    if (how.resumed) return;
    times_[tag].scheduled = static_cast<long double>(now_.ns());
    times_[tag].found = how.found;
    times_[tag].loaded = how.loaded;
  }
  void preempted(std::uint64_t tag) override { ++times_[tag].preemptions; }
  void loading(std::uint64_t tag, const Step::Load& load) override {
    const oracle::TimedLoads::Load what = loads_.begin(tag, load.found, load.upto);
    loading_.emplace(now_ + Duration(what.delay_ns), std::pair(tag, what));
    if (engine_.scheduler().running() == 0) ++load_alone_;
  }
  void first_token(std::uint64_t tag) override {
    if (times_[tag].tokens.empty())
      times_[tag].tokens.push_back(static_cast<long double>(now_.ns()));
  }
  void finished(std::uint64_t tag, std::int64_t produced) override {
    times_[tag].finished = true;
    times_[tag].end = static_cast<long double>(now_.ns());
    times_[tag].tokens.resize(static_cast<std::size_t>(produced));
    jobs_[tag] = kNoJob;
  }

  GapBook book_;
  Engine engine_;
  const test::RandomScheduling& scheduling_;
  const std::vector<oracle::TimedRequest>& timed_;
  DrawnLoads loads_;
  TimePoint now_{-1}, step_end_;
  std::size_t arrived_ = 0;
  std::vector<JobId> jobs_;  // by request; none before and after
  std::vector<std::uint64_t> doomed_;
  std::multimap<TimePoint, std::pair<std::uint64_t, oracle::TimedLoads::Load>> loading_;
  std::vector<oracle::EngineTimes> times_;
  std::int64_t load_alone_ = 0;
};

TEST_CASE("an engine waits for what is loaded exactly as long as that takes, whatever else it does",
          "[sim][engine][loads]") {
  std::int64_t loads = 0, load_alone = 0, compared = 0;
  for (std::uint64_t trial = 0; trial < 150; ++trial) {
    Rng rng(trial, "test.engine.loads");
    test::RandomScheduling scheduling = test::random_scheduling(rng);
    test::add_random_loads(rng, scheduling);
    if (scheduling.knobs.share_duplicates) scheduling.num_blocks += 10'000;
    const LinearCost cost = random_cost(rng, scheduling.windows);
    const double step_ns = cost.step * 1.5e9;
    CAPTURE(trial, scheduling.describe());

    std::vector<oracle::TimedRequest> timed;
    std::int64_t arrival = 0, step = 0;
    for (const test::RandomRequest& request : scheduling.requests) {
      arrival += static_cast<std::int64_t>(static_cast<double>(request.arrival_step - step) *
                                           step_ns * rng.uniform(0.5, 1.5));
      step = request.arrival_step;
      std::optional<std::int64_t> patience;
      if (request.cancel_step)
        patience = 1 + static_cast<std::int64_t>(rng.uniform(0, 40) * step_ns);
      timed.push_back({test::oracle_spec(request, timed.size()), arrival, patience});
    }
    DrawnLoads drawn(scheduling, step_ns);
    const oracle::TimedLoads slow = {[&](std::uint64_t tag, std::int64_t found, std::int64_t most) {
                                       return drawn.loadable(tag, found, most);
                                     },
                                     [&](const SchedulerOracle::Load& load) {
                                       return drawn.begin(load.tag, load.found, load.upto);
                                     }};
    const auto expected =
        oracle::run_engine(scheduling.knobs, scheduling.num_blocks, scheduling.max_model_len, timed,
                           step_seconds(cost), 20'000, slow);
    if (!expected) continue;  // it preempts for ever

    const Pool pool = test::small_pool(cost, scheduling.knobs, scheduling.num_blocks);
    EngineSettings settings;
    settings.knobs = scheduling.knobs;
    settings.num_blocks = scheduling.num_blocks;
    settings.max_model_len = scheduling.max_model_len;
    settings.cache_bytes_per_token = 1;
    settings.host_bytes_per_second = 1 / kSwapSeconds;
    settings.cost_model = pool.cost_model.get();
    DrivenEngine engine(settings, scheduling, timed, DrawnLoads(scheduling, step_ns));
    const std::vector<oracle::EngineTimes> ours = engine.run();
    const auto tolerance = static_cast<long double>(2 * expected->steps + 2);
    for (std::size_t i = 0; i < timed.size(); ++i) {
      const oracle::EngineTimes& wanted = expected->requests[i];
      CAPTURE(i, static_cast<double>(ours[i].end), static_cast<double>(wanted.end));
      REQUIRE(ours[i].finished == wanted.finished);
      REQUIRE(std::abs(ours[i].end - wanted.end) <= tolerance);
      REQUIRE(std::abs(ours[i].scheduled - wanted.scheduled) <= tolerance);
      REQUIRE(ours[i].found == wanted.found);
      REQUIRE(ours[i].loaded == wanted.loaded);
      REQUIRE(ours[i].preemptions == wanted.preemptions);
      if (wanted.finished) REQUIRE(ours[i].tokens.size() == wanted.tokens.size());
      REQUIRE(ours[i].tokens.empty() == wanted.tokens.empty());
      if (!wanted.tokens.empty())
        REQUIRE(std::abs(ours[i].tokens[0] - wanted.tokens[0]) <= tolerance);
      ++compared;
    }
    loads += expected->loads;
    load_alone += engine.load_alone();
  }
  CHECK(compared > 1'500);
  CHECK(loads > 800);
  CHECK(load_alone > 100);  // nothing else to do meanwhile
}

}  // namespace
}  // namespace scsim::sim
