// Engines come and go with the load, and their ledgers have the time they were off.
#include "sim/autoscale.h"

#include <catch2/catch.hpp>
#include <numeric>

#include "tests/sim/random_cluster.h"
#include "tests/sim/random_trace.h"

namespace scsim::test {
namespace {

using sim::Autoscaler;
using sim::AutoscaleSettings;
using Policy = AutoscaleSettings::Policy;

constexpr LinearCost kStep = {.step = 1e-3, .prefill_token = 1e-5, .decode_sequence = 1e-5};

AutoscaleSettings settings_of(Policy policy, double target) {
  return {.policy = policy,
          .least = 1,
          .target = target,
          .period = for_ms(100),
          .cold_start = for_ms(300),
          .keep = for_ms(500)};
}

TEST_CASE("target tracking has as many engines as the requests need, at once up and later down",
          "[sim][autoscale]") {
  Autoscaler scaler(settings_of(Policy::kTargetTracking, 4), 10);
  const auto at = [&](std::int64_t ms, int engines, std::int64_t requests) {
    return scaler.decide(at_ms(ms), {.engines = engines, .running = requests});
  };
  CHECK(at(0, 1, 3) == 1);
  CHECK(at(100, 1, 21) == 6);    // ceil(21 / 4)
  CHECK(at(200, 6, 400) == 10);  // no more than there are
  CHECK(at(300, 10, 5) == 10);   // 2 would do, but not for long enough
  CHECK(at(600, 10, 9) == 10);   // 400 were there 400 ms ago
  CHECK(at(800, 10, 5) == 3);    // the most that was wanted within 500 ms
  CHECK(at(1500, 3, 0) == 1);    // and never fewer than the least
}

TEST_CASE("by queue and by SLO a quarter more come while it is bad, and one goes when all is well",
          "[sim][autoscale]") {
  Autoscaler queue(settings_of(Policy::kQueue, 2), 20);
  CHECK(queue.decide(at_ms(100), {.engines = 8, .waiting = 17}) == 10);
  CHECK(queue.decide(at_ms(200), {.engines = 10, .waiting = 3}) == 10);
  CHECK(queue.decide(at_ms(800), {.engines = 10, .waiting = 0}) == 9);
  Autoscaler slo(settings_of(Policy::kSlo, 0.9), 20);
  CHECK(slo.decide(at_ms(100), {.engines = 2, .first_tokens = 10, .within = 8}) == 3);
  CHECK(slo.decide(at_ms(800), {.engines = 3, .first_tokens = 10, .within = 9}) == 2);
}

TEST_CASE("a burst brings engines after their cold start, and they go when it is over",
          "[sim][autoscale]") {
  sim::EngineKnobs knobs;
  knobs.max_sequences = 4;
  sim::Cluster cluster = small_cluster(kStep, knobs, 1000, 6);
  cluster.pools[0].autoscale = settings_of(Policy::kTargetTracking, 4);
  cluster.router = "least_loaded";
  SmallTrace trace;
  for (int i = 0; i < 300; ++i) trace.ask(at_ms(1000 + 4 * i), 50, 50);
  for (int i = 0; i < 300; ++i) trace.ask(at_ms(4000 + 20 * i), 50, 5);
  const Result result = run(trace, cluster);
  std::int64_t starts = 0;
  double on = 0;
  for (const EngineResult& engine : result.engines) {
    starts += engine.starts;
    on += static_cast<double>(result.end.ns() - engine.off_ns);
  }
  CHECK(starts == 5);
  CHECK(on / static_cast<double>(result.end.ns()) < 4);
  TimePoint first_elsewhere = result.end;
  for (const RequestResult& r : result.requests) {
    REQUIRE(r.outcome == Outcome::kFinished);
    if (r.engine > 0) first_elsewhere = std::min(first_elsewhere, r.arrival);
  }
  CHECK(first_elsewhere >= at_ms(1100 + 300 - 100));
  CHECK(first_elsewhere <= at_ms(1100 + 300 + 100));
  CHECK(result.requests.back().engine == 0);
}

TEST_CASE("however a pool is scaled, every request ends once and ledgers add up",
          "[sim][autoscale][law]") {
  std::int64_t off = 0, starts = 0;
  for (std::uint64_t trial = 0; trial < 60; ++trial) {
    Rng rng(trial, "test.autoscale");
    sim::Cluster cluster = random_cluster(rng);
    const SmallTrace trace = random_trace(rng, {});
    for (sim::Pool& pool : cluster.pools) {
      pool.autoscale =
          settings_of(static_cast<Policy>(1 + rng.below(3)), rng.chance(0.5) ? 1 : 0.5);
      pool.autoscale.period = for_ms(between(rng, 1, 60));
      pool.autoscale.cold_start = for_ms(between(rng, 0, 100));
      pool.autoscale.keep = for_ms(between(rng, 0, 100));
    }
    CAPTURE(trial, cluster.router);
    const Result result = run(trace, cluster);
    REQUIRE(result.requests.size() == trace.requests().size());
    for (const EngineResult& engine : result.engines) {
      const std::int64_t busy =
          std::accumulate(engine.stage_ns.begin(), engine.stage_ns.end(), std::int64_t{0});
      REQUIRE(busy + engine.idle_ns + engine.off_ns == result.end.ns());
      off += engine.off_ns;
      starts += engine.starts;
    }
  }
  CHECK(off > 0);
  CHECK(starts > 20);
}

}  // namespace
}  // namespace scsim::test
