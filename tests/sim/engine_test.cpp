// An engine's times in closed form against times added up step by step.
#include "sim/engine.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <map>

#include "tests/oracle/engine_oracle.h"
#include "tests/sim/random_scheduling.h"
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

}  // namespace
}  // namespace scsim::sim
