// Requests that preempt each other for ever: the run ends with an error that says what to change,
// and no run that would have ended does.
//
// Two requests of one priority that arrived together get tokens alike. When the blocks run out, the
// one admitted first loses all of its own; it begins again behind the other and catches up until
// they run out anew. With N blocks the other has come to 2N/3 by then, and it is its turn to lose
// them: prompts longer than that are never computed.
#include <catch2/catch.hpp>

#include "sim/steps.h"
#include "tests/sim/scheduler_run.h"
#include "tests/sim/small_cluster.h"
#include "tests/support/trace_files.h"

namespace scsim::sim {
namespace {

using test::at_ms;
using test::for_ms;
using test::SmallTrace;

constexpr std::int64_t kBlocks = 12;

Cluster unreserved(int engines = 1) {
  EngineKnobs knobs;
  knobs.block_tokens = 16;
  knobs.long_prefill_threshold = 16;
  knobs.order = EngineKnobs::Order::kPriority;
  knobs.reserve_full_prompt = false;
  knobs.prefix_caching = false;
  return test::small_cluster({.step = 1e-3}, knobs, kBlocks, engines);
}

// Ends with "stopped" after some 100,000 events, so that a test that fails comes to an end.
Expected<Result> run_limited(const SmallTrace& trace, const Cluster& cluster,
                             int* events = nullptr) {
  const test::TemporaryFolder folder;
  test::write_trace(folder.file("t.pb"), trace.contents(), trace.requests());
  Expected<TraceReader> reader = TraceReader::open(folder.file("t.pb"));
  REQUIRE(reader);
  int calls = 0;
  Expected<Result> result =
      simulate(*reader, cluster, {.progress = [&](double, std::uint64_t) { return ++calls < 13; }});
  if (events != nullptr) *events = calls * 8192;
  return result;
}

void ask_two(SmallTrace& trace, std::int64_t ms) {
  for (int i = 0; i < 2; ++i) trace.ask(at_ms(ms), 160, 10);
}

TEST_CASE("two requests that preempt each other for ever end the run, and the error says why",
          "[sim][endless]") {
  SmallTrace trace;
  trace.ask(at_ms(0), 20, 5);
  ask_two(trace, 50);
  const Expected<Result> result = run_limited(trace, unreserved());
  REQUIRE(!result);
  CHECK(result.error().message ==
        "pool small, engine 0: requests 1 and 2 preempt each other for ever: before one of them "
        "has computed its prompt, the other takes its blocks. Set engine.reserve_full_prompt: "
        "true, or give it more blocks (engine.num_blocks)");
}

TEST_CASE("what the error advises helps", "[sim][endless]") {
  SmallTrace trace;
  ask_two(trace, 0);
  Cluster reserved = unreserved();
  reserved.pools[0].knobs.reserve_full_prompt = true;
  REQUIRE(run_limited(trace, reserved));
  Cluster larger = unreserved();
  larger.pools[0].num_blocks = 22;
  REQUIRE(run_limited(trace, larger));
}

TEST_CASE("requests that preempt each other until one of them gives up are no error",
          "[sim][endless]") {
  SmallTrace trace;
  ask_two(trace, 0);
  trace.requests()[0].cancel_after = for_ms(20'000);
  const Expected<Result> result = run_limited(trace, unreserved());
  REQUIRE(result);
  CHECK(result->requests[0].outcome == Outcome::kCancelled);
  CHECK(result->requests[0].end == at_ms(20'000));
  CHECK(result->requests[0].preemptions > 1'000);
  CHECK(result->requests[1].outcome == Outcome::kFinished);
}

// Whoever is to come might change it. Engine 0 gets requests 0 and 2, the other one 1 and 3, which
// comes 20 s after the end of 1; each step is two events.
TEST_CASE("while another request is to come the run goes on", "[sim][endless]") {
  SmallTrace trace;
  for (int i = 0; i < 3; ++i) trace.ask(at_ms(0), i == 1 ? 10 : 160, 10);
  trace.follow({1}, for_ms(20'000), 10, 10);
  int events = 0;
  const Expected<Result> result = run_limited(trace, unreserved(2), &events);
  REQUIRE(!result);
  CHECK(result.error().message.find("engine 0: requests 0 and 2 preempt") != std::string::npos);
  CHECK(events > 30'000);
}

TEST_CASE("a scenario whose requests preempt each other for ever ends with an error",
          "[sim][steps][endless]") {
  EnginePreset preset = *find_engine_preset("vllm");
  preset.knobs.prefix_caching = false;
  const auto log = run_steps(
      R"({"block_size":16,"num_blocks":13,"max_num_batched_tokens":64,"max_num_seqs":4,
          "policy":"priority","long_prefill_token_threshold":16,"scheduler_reserve_full_isl":false,
          "requests":[{"id":"a","arrival_step":1,"prompt":[["p",0,160]],"output_tokens":3},
                      {"id":"b","arrival_step":1,"prompt":[["q",0,160]],"output_tokens":3}]})",
      "s.json", preset);
  REQUIRE(!log);
  CHECK(log.error().message ==
        "s.json: from step 460 on at the latest requests a and b preempt each other for ever; set "
        "scheduler_reserve_full_isl: true, or give them more blocks (num_blocks)");
}

struct Heard final : Scheduler::Listener {
  void first_token(JobId) override { ++tokens; }
  void finished(JobId) override { ++ended; }
  std::size_t tokens = 0, ended = 0;
};

// Every schedule that is still at it after 20,000 steps is found, long before, and none that ends.
TEST_CASE("of random schedules those that never end are found, and no others", "[sim][endless]") {
  std::int64_t endless = 0, cached = 0;
  for (std::uint64_t trial = 0; trial < 25'000; ++trial) {
    Rng rng(trial, "live");
    const test::RandomScheduling scheduling = test::random_scheduling(rng);
    if (scheduling.knobs.order == EngineKnobs::Order::kFirstCome) continue;
    CAPTURE(trial, scheduling.describe());
    Scheduler scheduler(scheduling.knobs, scheduling.num_blocks, scheduling.max_model_len,
                        scheduling.windows);
    Heard heard;
    std::size_t next = 0;
    std::optional<std::int64_t> found;
    std::int64_t step = 0;
    for (; step < test::kMostSteps && heard.ended < scheduling.requests.size(); ++step) {
      for (; next < scheduling.requests.size(); ++next) {
        if (scheduling.requests[next].arrival_step > step) break;
        scheduler.add(test::job_spec(scheduling.requests[next], next));
      }
      const bool any = scheduler.plan(TimePoint(step));
      if (next == scheduling.requests.size() && scheduler.endless() && !found) found = step;
      const std::size_t before = heard.tokens;
      if (any) scheduler.complete(1, TimePoint(step + 1), heard);
      if (found) REQUIRE(scheduler.step().decodes + (heard.tokens - before) == 0);
    }
    const bool ended = heard.ended == scheduling.requests.size();
    REQUIRE(ended == !found.has_value());
    if (found) REQUIRE(*found < test::kMostSteps / 2);
    endless += !ended;
    cached += !ended && scheduling.knobs.prefix_caching;
  }
  CHECK(endless >= 5);
  CHECK(cached >= 2);
}

// First come first served, the request admitted first is never preempted, so every run ends. With
// chunks of one token and nothing cached many prompts take their blocks from each other for long.
TEST_CASE("hundreds of steps that preempt while nobody gets a token are not taken for endless",
          "[sim][endless]") {
  std::int64_t longest = 0;
  for (std::uint64_t trial = 0; trial < 30; ++trial) {
    Rng rng(trial, "test.churn");
    EngineKnobs knobs;
    knobs.block_tokens = test::between(rng, 1, 2);
    knobs.long_prefill_threshold = 1;
    knobs.reserve_full_prompt = knobs.prefix_caching = false;
    const std::int64_t blocks = test::between(rng, 200, 400), room = blocks * knobs.block_tokens;
    const std::uint64_t requests = 5 + rng.below(36);
    CAPTURE(trial, blocks, requests);
    Scheduler scheduler(knobs, blocks, room);
    for (std::uint64_t i = 0; i < requests; ++i) {
      const std::vector<Span> prompt = {
          test::span(i, 0, test::between(rng, room * 3 / 4, room - 9))};
      JobSpec spec;
      spec.prompt = prompt;
      spec.output_tokens = 2;
      scheduler.add(spec);
    }
    Heard heard;
    std::int64_t in_a_row = 0;
    for (std::int64_t step = 0; heard.ended < requests; ++step) {
      REQUIRE(step < 100'000);
      const std::size_t before = heard.tokens;
      if (scheduler.plan(TimePoint(step))) scheduler.complete(1, TimePoint(step + 1), heard);
      REQUIRE(!scheduler.endless());
      in_a_row += !scheduler.step().preempted.empty();
      if (scheduler.step().decodes > 0 || heard.tokens > before) in_a_row = 0;
      longest = std::max(longest, in_a_row);
    }
  }
  CHECK(longest > 300);
}

}  // namespace
}  // namespace scsim::sim
