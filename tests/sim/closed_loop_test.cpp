// Clients that wait for answers: when their next requests arrive.
#include <catch2/catch.hpp>

#include "tests/sim/random_cluster.h"
#include "tests/sim/random_trace.h"

namespace scsim::sim {
namespace {

using test::at_ms;
using test::for_ms;
using test::result_of;
using test::SmallTrace;

// Steps of 10 ms, one request at a time: a request of one token takes 10 ms.
Cluster ten_ms_steps() {
  EngineKnobs knobs;
  knobs.max_sequences = 1;
  return test::small_cluster({.step = 0.01}, knobs, 1000);
}

TEST_CASE("a closed-loop request arrives just its think time after the last of its parents ended",
          "[sim][closed_loop]") {
  int children = 0;
  for (std::uint64_t trial = 0; trial < 20; ++trial) {
    Rng rng(trial, "test.closed_loop");
    const Cluster cluster = test::random_cluster(rng);
    const SmallTrace trace = test::random_trace(rng, {});
    const Result result = test::run(trace, cluster);
    for (const RequestResult& request : result.requests) {
      const Request& asked = trace.requests()[request.request];
      if (asked.arrival) continue;
      TimePoint last;
      for (const RequestId parent : asked.parents)
        last = std::max(last, result_of(result, parent.value()).end);
      REQUIRE(request.arrival == std::max(last + asked.think, asked.earliest));
      ++children;
    }
  }
  CHECK(children > 300);
}

TEST_CASE("a request with two parents waits for the later one", "[sim][closed_loop]") {
  SmallTrace trace;
  trace.ask(at_ms(0), 10, 1);  // ends at 10 ms
  trace.ask(at_ms(0), 10, 3);  // ends at 40 ms
  trace.follow({0, 1}, for_ms(7), 10, 1);
  trace.follow({1, 0}, for_ms(9), 10, 1);
  const Result result = test::run(trace, ten_ms_steps());
  CHECK(result_of(result, 2).arrival == at_ms(47));
  CHECK(result_of(result, 3).arrival == at_ms(49));
}

TEST_CASE("a refused request ends as it arrives, and its children go on from there",
          "[sim][closed_loop]") {
  SmallTrace trace;
  trace.ask(at_ms(5), 1'000'000, 1);
  trace.follow({0}, for_ms(3), 10, 1);
  const Result result = test::run(trace, ten_ms_steps());
  CHECK(result_of(result, 0).outcome == Outcome::kRefused);
  CHECK(result_of(result, 0).end == at_ms(5));
  CHECK(result_of(result, 1).arrival == at_ms(8));
}

TEST_CASE("a client that thinks no time is served in the very next step", "[sim][closed_loop]") {
  SmallTrace trace;
  trace.ask(at_ms(0), 10, 1);
  trace.follow({0}, for_ms(0), 10, 1);
  const Result result = test::run(trace, ten_ms_steps());
  CHECK(result_of(result, 1).arrival == at_ms(10));
  CHECK(result_of(result, 1).scheduled == at_ms(10));
  CHECK(result_of(result, 1).end == at_ms(20));
}

TEST_CASE("a closed-loop request never arrives before the earliest time its trace states",
          "[sim][closed_loop]") {
  SmallTrace trace;
  trace.ask(at_ms(0), 10, 1);  // ends at 10 ms
  trace.ask(at_ms(200), 10, 1);
  trace.follow({0}, for_ms(5), 10, 1).earliest = at_ms(300);
  trace.follow({1}, for_ms(5), 10, 1).earliest = at_ms(300);
  trace.follow({}, for_ms(5), 10, 1).earliest = at_ms(300);
  const Result result = test::run(trace, ten_ms_steps());
  for (const std::uint64_t id : {2, 3, 4}) CHECK(result_of(result, id).arrival == at_ms(300));
}

TEST_CASE("requests that arrive in one instant are taken in the order of the file",
          "[sim][closed_loop]") {
  SmallTrace trace;
  trace.ask(at_ms(0), 10, 1);           // ends at 10 ms
  trace.follow({0}, for_ms(5), 10, 1);  // 15 ms
  trace.ask(at_ms(15), 10, 1);
  trace.follow({0}, for_ms(5), 10, 1);  // 15 ms, read after the one before arrived
  trace.ask(at_ms(15), 10, 1);
  const Result result = test::run(trace, ten_ms_steps());
  for (std::size_t place = 0; place < result.requests.size(); ++place)
    CHECK(result.requests[place].request == place);
  for (std::uint64_t id = 1; id < 5; ++id) {
    CHECK(result_of(result, id).arrival == at_ms(15));
    CHECK(result_of(result, id).scheduled == at_ms(15 + 10 * (static_cast<std::int64_t>(id) - 1)));
  }
}

}  // namespace
}  // namespace scsim::sim
