// Clients that give up, and the cluster's own limit: a request ends at the end of the step in which
// its patience does.
#include <catch2/catch.hpp>

#include "tests/sim/small_cluster.h"

namespace scsim::sim {
namespace {

using test::at_ms;
using test::for_ms;
using test::result_of;
using test::SmallTrace;

// Steps of 1 ms whatever is in them; prompts take one step, so a request that is admitted as it
// arrives has n tokens after n ms.
Cluster one_ms_steps(std::int64_t num_blocks = 1000, std::int64_t max_sequences = 100) {
  EngineKnobs knobs;
  knobs.block_tokens = 10;
  knobs.max_sequences = max_sequences;
  knobs.prefix_caching = false;
  return test::small_cluster({.step = 1e-3}, knobs, num_blocks);
}

TEST_CASE("a client that gives up inside a step is heard at the end of it", "[sim][deadlines]") {
  SmallTrace trace;
  trace.ask(at_ms(0), 10, 100).cancel_after = Duration(10'400'000);
  trace.ask(at_ms(0), 10, 50);
  const Result result = test::run(trace, one_ms_steps());
  const RequestResult& gone = result_of(result, 0);
  CHECK(gone.outcome == Outcome::kCancelled);
  CHECK(gone.end == at_ms(11));
  CHECK(gone.output_tokens == 11);
  CHECK(result_of(result, 1).outcome == Outcome::kFinished);
  CHECK(result_of(result, 1).end == at_ms(50));
}

TEST_CASE("a client that gives up at the end of a step is heard at once", "[sim][deadlines]") {
  SmallTrace trace;
  trace.ask(at_ms(0), 10, 100).cancel_after = for_ms(10);
  const Result result = test::run(trace, one_ms_steps());
  CHECK(result_of(result, 0).end == at_ms(10));
  CHECK(result_of(result, 0).output_tokens == 10);
}

TEST_CASE("a request whose last token comes in the step in which its client gives up is finished",
          "[sim][deadlines]") {
  SmallTrace trace;
  trace.ask(at_ms(0), 10, 10).cancel_after = Duration(9'500'000);
  const Result result = test::run(trace, one_ms_steps());
  CHECK(result_of(result, 0).outcome == Outcome::kFinished);
  CHECK(result_of(result, 0).output_tokens == 10);
}

TEST_CASE("a client that gives up while its request waits leaves with nothing",
          "[sim][deadlines]") {
  SmallTrace trace;
  trace.ask(at_ms(0), 10, 100);
  trace.ask(at_ms(5), 10, 100).cancel_after = Duration(20'300'000);
  const Result result = test::run(trace, one_ms_steps(1000, 1));
  const RequestResult& gone = result_of(result, 1);
  CHECK(gone.outcome == Outcome::kCancelled);
  CHECK(gone.end == at_ms(26));
  CHECK(gone.output_tokens == 0);
  CHECK(gone.scheduled == TimePoint{});
  CHECK(gone.stage_ns[static_cast<std::size_t>(Stage::kQueue)] == 21'000'000);
}

// The step under way when C gives up ends at that very moment, and the engine's end of it was known
// before C came. What the engine decides next must not outlast C: A's other 500 steps are one
// segment.
TEST_CASE("a client that gives up just as a step ends does not wait for the next to end",
          "[sim][deadlines]") {
  SmallTrace trace;
  trace.ask(at_ms(0), 100, 1000);                          // A: holds most of the memory
  trace.ask(at_ms(0), 10, 500);                            // ends at 500 ms
  trace.ask(TimePoint(500'000), 1100, 10);                 // waits for memory
  trace.ask(at_ms(2), 10, 10).cancel_after = for_ms(498);  // C: waits behind it
  const Result result = test::run(trace, one_ms_steps(120));
  CHECK(result_of(result, 1).end == at_ms(500));
  CHECK(result_of(result, 3).outcome == Outcome::kCancelled);
  CHECK(result_of(result, 3).end <= at_ms(501));
}

TEST_CASE("the shorter of a client's patience and the cluster's limit ends a request",
          "[sim][deadlines]") {
  Cluster cluster = one_ms_steps();
  cluster.request_timeout = for_ms(20);
  SmallTrace trace;
  trace.ask(at_ms(0), 10, 100);
  trace.ask(at_ms(0), 10, 100).cancel_after = for_ms(10);
  trace.ask(at_ms(0), 10, 100).cancel_after = for_ms(30);
  trace.ask(at_ms(0), 10, 15);
  const Result result = test::run(trace, cluster);
  CHECK(result_of(result, 0).outcome == Outcome::kTimedOut);
  CHECK(result_of(result, 0).end == at_ms(20));
  CHECK(result_of(result, 1).outcome == Outcome::kCancelled);
  CHECK(result_of(result, 1).end == at_ms(10));
  CHECK(result_of(result, 2).outcome == Outcome::kTimedOut);
  CHECK(result_of(result, 2).end == at_ms(20));
  CHECK(result_of(result, 3).outcome == Outcome::kFinished);
}

TEST_CASE("the blocks of a request that was given up serve the next", "[sim][deadlines]") {
  SmallTrace trace;
  trace.ask(at_ms(0), 90, 100).cancel_after = Duration(6'500'000);
  trace.ask(at_ms(1), 100, 10);  // needs all blocks but one
  const Result result = test::run(trace, one_ms_steps(11));
  CHECK(result_of(result, 0).end == at_ms(7));
  CHECK(result_of(result, 1).scheduled == at_ms(7));
  CHECK(result_of(result, 1).outcome == Outcome::kFinished);
}

TEST_CASE("a deadline that came too late does not touch the request that runs in its place",
          "[sim][deadlines]") {
  SmallTrace trace;
  trace.ask(at_ms(0), 10, 5).cancel_after = for_ms(50);  // ends at 5 ms
  trace.ask(at_ms(10), 10, 100);                         // uses what was freed
  const Result result = test::run(trace, one_ms_steps());
  CHECK(result_of(result, 0).outcome == Outcome::kFinished);
  CHECK(result_of(result, 1).outcome == Outcome::kFinished);
  CHECK(result_of(result, 1).output_tokens == 100);
}

TEST_CASE("a deadline that nobody reaches does not prolong the run", "[sim][deadlines]") {
  SmallTrace trace;
  trace.ask(at_ms(0), 10, 5);
  trace.ask(at_ms(3), 10, 5).cancel_after = for_ms(60'000);
  Cluster cluster = one_ms_steps();
  const Result patient = test::run(trace, cluster);
  cluster.request_timeout = for_ms(600'000);
  const Result limited = test::run(trace, cluster);
  CHECK(limited.end == patient.end);
  CHECK(limited.end == result_of(limited, 1).end);
  CHECK(limited.engines[0].idle_ns == patient.engines[0].idle_ns);
}

}  // namespace
}  // namespace scsim::sim
