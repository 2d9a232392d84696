// Deadlines: a client's patience and the cluster's own limit.
#include <catch2/catch.hpp>

#include "tests/sim/small_cluster.h"

using namespace scsim;
using namespace scsim::test;

TEST_CASE("a deadline that nobody reaches does not prolong the run", "[sim][deadline]") {
  SmallTrace trace;
  trace.ask(at_ms(0), 10, 5);
  trace.ask(at_ms(3), 10, 5).cancel_after = for_ms(60'000);
  sim::Cluster cluster = small_cluster({.step = 1e-3}, {}, 1000);
  const Result patient = run(trace, cluster);
  cluster.request_timeout = for_ms(600'000);
  const Result limited = run(trace, cluster);
  CHECK(limited.end == patient.end);
  CHECK(limited.end == result_of(limited, 1).end);
  CHECK(limited.engines[0].idle_ns == patient.engines[0].idle_ns);
}

TEST_CASE("the cluster's limit ends a request at the end of the step in which it falls",
          "[sim][deadline]") {
  SmallTrace trace;
  trace.ask(at_ms(0), 10, 100);
  sim::Cluster cluster = small_cluster({.step = 1e-3}, {}, 1000);
  cluster.request_timeout = Duration(20'500'000);
  const Result result = run(trace, cluster);
  CHECK(result_of(result, 0).outcome == Outcome::kTimedOut);
  CHECK(result_of(result, 0).end == at_ms(21));
  CHECK(result_of(result, 0).output_tokens == 21);
}
