// INV-ORACLE: nobody acts on what is not known yet, the length of an answer or when a client comes
// back. Two traces that differ only in that are told apart by nothing that happens before it shows.
#include <catch2/catch.hpp>

#include "tests/sim/random_cluster.h"
#include "tests/sim/random_trace.h"

namespace scsim::sim {
namespace {

using test::SmallTrace;

// Every decision and event before `until` is in both runs. Gives how many requests were compared.
int require_same_before(TimePoint until, const Result& a, const Result& b) {
  int compared = 0;
  REQUIRE(a.requests.size() == b.requests.size());
  const auto same = [&](TimePoint x, TimePoint y) {
    if (x < until || y < until) REQUIRE(x == y);
  };
  for (std::uint64_t id = 0; id < a.requests.size(); ++id) {
    const RequestResult &x = test::result_of(a, id), &y = test::result_of(b, id);
    CAPTURE(id);
    same(x.arrival, y.arrival);
    if (x.arrival >= until) continue;
    ++compared;
    REQUIRE(x.engine == y.engine);
    REQUIRE((x.outcome == Outcome::kRefused) == (y.outcome == Outcome::kRefused));
    // A time of 0 is one that never came, unless everything happened at 0.
    const auto after = [](TimePoint t) { return t == TimePoint{} ? TimePoint::never() : t; };
    same(after(x.scheduled), after(y.scheduled));
    same(after(x.first_token), after(y.first_token));
    same(x.end, y.end);
    if (after(x.scheduled) < until) REQUIRE(x.found_tokens == y.found_tokens);
    if (x.end < until) {
      REQUIRE(x.outcome == y.outcome);
      REQUIRE(x.output_tokens == y.output_tokens);
      REQUIRE(x.stage_ns == y.stage_ns);
    }
  }
  return compared;
}

TEST_CASE("nothing depends on the length of an answer before it ends", "[sim][law]") {
  int compared = 0;
  for (std::uint64_t trial = 0; trial < 60; ++trial) {
    Rng rng(trial, "test.no_oracle");
    const Cluster cluster = test::random_cluster(rng);
    SmallTrace trace = test::random_trace(rng, {.sessions = 60, .mean_pause_ms = 10});
    for (Request& request : trace.requests()) {
      request.max_tokens = request.output_tokens + Tokens(30);
      Tokens& length = trace.contents()[request.output.value()];
      length = std::max(length, request.max_tokens);
    }
    const std::uint64_t changed = rng.below(trace.requests().size());
    SmallTrace other = trace;
    Request& request = other.requests()[changed];
    request.output_tokens = Tokens(test::between(rng, 1, request.max_tokens.value()));
    const Result a = test::run(trace, cluster), b = test::run(other, cluster);
    CAPTURE(trial, changed, cluster.router);
    compared += require_same_before(
        std::min(test::result_of(a, changed).end, test::result_of(b, changed).end), a, b);
  }
  CHECK(compared > 2000);
}

TEST_CASE("nothing depends on how long clients think before the first of them comes back",
          "[sim][law]") {
  int compared = 0;
  for (std::uint64_t trial = 0; trial < 60; ++trial) {
    Rng rng(trial, "test.think");
    const Cluster cluster = test::random_cluster(rng);
    const SmallTrace trace = test::random_trace(rng, {.sessions = 60, .mean_pause_ms = 2});
    SmallTrace slower = trace;
    for (Request& request : slower.requests())
      request.think = request.think * 2 + test::for_ms(1000);
    const Result a = test::run(trace, cluster), b = test::run(slower, cluster);
    TimePoint first = TimePoint::never();
    for (const RequestResult& request : a.requests) {
      if (!trace.requests()[request.request].arrival) first = std::min(first, request.arrival);
    }
    CAPTURE(trial, cluster.router);
    compared += require_same_before(first, a, b);
  }
  CHECK(compared > 300);
}

}  // namespace
}  // namespace scsim::sim
