// Laws of ARCHITECTURE 9 that every run keeps: conservation, the ledger, the same bytes again, and
// Little's.
#include <catch2/catch.hpp>
#include <numeric>
#include <set>

#include "tests/sim/random_cluster.h"
#include "tests/sim/random_trace.h"
#include "tests/support/real_data.h"
#include "tests/support/trace_files.h"
#include "tests/traces/imported.h"
#include "traces/proto/cluster.pb.h"

namespace scsim::sim {
namespace {

using test::SmallTrace;

std::int64_t sum(const PerStage<std::int64_t>& stages) {
  return std::accumulate(stages.begin(), stages.end(), std::int64_t{0});
}

template <class F>
void for_random_runs(std::string_view purpose, F check) {
  for (std::uint64_t trial = 0; trial < 40; ++trial) {
    Rng rng(trial, purpose);
    const Cluster cluster = test::random_cluster(rng);
    const SmallTrace trace = test::random_trace(rng, {});
    CAPTURE(trial, cluster.router);
    check(trace, cluster, test::run(trace, cluster));
  }
}

TEST_CASE("every request of the trace arrives once, and ends as it must", "[sim][law]") {
  // INV-CONSERVE
  int ended[kOutcomeNames.size()] = {};
  for_random_runs(
      "test.conserve", [&](const SmallTrace& trace, const Cluster& cluster, const Result& result) {
        std::set<std::uint64_t> seen;
        for (const RequestResult& request : result.requests) {
          REQUIRE(seen.insert(request.request).second);
          ++ended[static_cast<std::size_t>(request.outcome)];
          const Request& asked = trace.requests()[request.request];
          REQUIRE(request.prompt_tokens == asked.prompt_tokens().value());
          REQUIRE(request.end <= result.end);
          if (asked.arrival) REQUIRE(request.arrival == *asked.arrival);
          switch (request.outcome) {
            case Outcome::kFinished:
              REQUIRE(request.output_tokens ==
                      std::min(asked.output_tokens.value(),
                               cluster.pools[0].max_model_len - request.prompt_tokens));
              REQUIRE(request.arrival <= request.scheduled);
              REQUIRE(request.scheduled < request.first_token);
              REQUIRE(request.first_token <= request.end);
              REQUIRE(request.found_tokens < request.prompt_tokens);  // the last is always computed
              break;
            case Outcome::kCancelled:
              REQUIRE(asked.cancel_after);
              REQUIRE(request.end - request.arrival >= *asked.cancel_after);
              break;
            case Outcome::kTimedOut:
              REQUIRE(request.end - request.arrival >= cluster.request_timeout);
              break;
            case Outcome::kRefused:
              REQUIRE(request.prompt_tokens >= cluster.pools[0].max_model_len);
              break;
            case Outcome::kUnfinished:
              FAIL("a run goes on to the end of its requests");
            case Outcome::kFailed:
            case Outcome::kShed:
              FAIL("nothing breaks here, and everybody is let in");
          }
        }
        REQUIRE(seen.size() == trace.requests().size());
      });
  CHECK(ended[static_cast<std::size_t>(Outcome::kFinished)] > 1000);
  CHECK(ended[static_cast<std::size_t>(Outcome::kCancelled)] > 20);
  CHECK(ended[static_cast<std::size_t>(Outcome::kTimedOut)] > 20);
}

TEST_CASE("results are in order of arrival, those of one instant in the order of the file",
          "[sim][law]") {
  for_random_runs("test.order", [](const SmallTrace&, const Cluster&, const Result& result) {
    for (std::size_t i = 1; i < result.requests.size(); ++i) {
      const RequestResult &before = result.requests[i - 1], &after = result.requests[i];
      REQUIRE(std::pair(before.arrival, before.request) < std::pair(after.arrival, after.request));
    }
  });
}

TEST_CASE("a request's stages add up to its time, an engine's stages and idle time to the run",
          "[sim][law]") {  // INV-LEDGER
  for_random_runs("test.ledger", [](const SmallTrace&, const Cluster&, const Result& result) {
    for (const RequestResult& request : result.requests) {
      if (request.outcome == Outcome::kRefused) continue;
      REQUIRE(sum(request.stage_ns) == (request.end - request.arrival).ns());
      for (const std::int64_t ns : request.stage_ns) REQUIRE(ns >= 0);
    }
    for (const EngineResult& engine : result.engines) {
      REQUIRE(sum(engine.stage_ns) + engine.idle_ns == result.end.ns());
      REQUIRE(engine.idle_ns >= 0);
    }
  });
}

// Without cancellations every prompt is computed but for what was found, and every token of an
// answer but the last; what a preempted request computes again comes on top. What was fetched from
// a tier need not be computed.
TEST_CASE("engines compute the tokens that requests need, and again what preemption lost",
          "[sim][law]") {  // INV-CONSERVE
  std::int64_t again = 0, all_fetched = 0;
  for (std::uint64_t trial = 0; trial < 40; ++trial) {
    Rng rng(trial, "test.tokens");
    Cluster cluster = test::random_cluster(rng);
    Pool& pool = cluster.pools[0];
    pool.knobs.order = EngineKnobs::Order::kFirstCome;
    pool.knobs.reserve_output = 0;
    pool.num_blocks = 200 / pool.knobs.block_tokens + 1;
    pool.max_model_len = std::min(pool.max_model_len, pool.num_blocks * pool.knobs.block_tokens);
    cluster.request_timeout = {};
    const SmallTrace trace = test::random_trace(
        rng, {.sessions = 60, .mean_pause_ms = 3, .cancels = false, .shared = rng.chance(0.5)});
    const Result result = test::run(trace, cluster);
    std::int64_t computed = 0, needed = 0, fetched = 0;
    for (const EngineResult& engine : result.engines)
      computed += engine.prefill_tokens + engine.decode_tokens;
    for (const FetchResult& fetch : result.fetches) {
      for (const std::int64_t tokens : fetch.tokens) fetched += tokens;
    }
    needed -= fetched;
    all_fetched += fetched;
    for (const RequestResult& request : result.requests) {
      if (request.outcome == Outcome::kRefused) continue;
      needed += request.prompt_tokens - request.found_tokens + request.output_tokens - 1 +
                request.recomputed_tokens;
      again += request.recomputed_tokens;
    }
    CAPTURE(trial);
    CHECK(computed == needed);
  }
  CHECK(again > 1000);
  CHECK(all_fetched > 1000);
}

// Every moment a request is in the system it waits or runs at its engine, so the integral over time
// of those that wait or run is the sum of the requests' times: Little's law, exactly. (Timelines
// are kept as floats, hence the tolerance.)
TEST_CASE("the mean number in the system is the arrival rate times the mean time in it",
          "[sim][law]") {
  for_random_runs("test.little", [](const SmallTrace&, const Cluster&, const Result& result) {
    double integral = 0, busy = 0, idle = 0;
    for (const EngineResult& engine : result.engines) {
      for (std::size_t bin = 0; bin < engine.timeline.running.size(); ++bin) {
        const std::int64_t begin = static_cast<std::int64_t>(bin) * result.timeline_bin.ns();
        const double length =
            static_cast<double>(std::min(result.timeline_bin.ns(), result.end.ns() - begin));
        integral += length * (static_cast<double>(engine.timeline.running[bin]) +
                              static_cast<double>(engine.timeline.waiting[bin]));
        busy += length * static_cast<double>(engine.timeline.busy[bin]);
      }
      idle += static_cast<double>(engine.idle_ns);
    }
    double times = 0;
    for (const RequestResult& request : result.requests)
      times += static_cast<double>((request.end - request.arrival).ns());
    CHECK(integral == Approx(times).epsilon(1e-5));
    CHECK(busy + idle ==
          Approx(static_cast<double>(result.engines.size()) * static_cast<double>(result.end.ns()))
              .epsilon(1e-5));
  });
}

TEST_CASE("the same trace and cluster give the same bytes again, under every router",
          "[sim][law]") {  // INV-SAME
  const test::TemporaryFolder folder;
  for (const RouterEntry& entry : router_table()) {
    std::string bytes;
    for (int run = 0; run < 2; ++run) {
      Rng rng(5, "test.same");
      Cluster cluster = test::random_cluster(rng);
      cluster.router = entry.name;
      const Result result = test::run(test::random_trace(rng, {.sessions = 100}), cluster);
      REQUIRE(write_result(result, folder.file("r.pb")));
      const std::string now = test::bytes_of(folder.file("r.pb"));
      if (run > 0) CHECK(now == bytes);
      bytes = now;
    }
  }
}

// Real prompts, the built-in hardware and model, memory for a few of them at a time.
TEST_CASE("Mooncake's conversations end under every preset and every router", "[sim][law]") {
  const auto path = test::real_data("traces/mooncake/conversation_trace.jsonl.zst");
  if (!path) return;
  const test::Imported imported = test::import_files("mooncake", {*path});
  REQUIRE(imported.error.empty());
  const test::TemporaryFolder folder;
  const std::vector<Request> first(imported.requests.begin(), imported.requests.begin() + 1000);
  test::write_trace(folder.file("t.pb"), imported.contents, first);
  for (const EnginePreset& preset : engine_presets()) {
    for (const RouterEntry& router : router_table()) {
      proto::ClusterConfig config;
      proto::PoolConfig& pool = *config.add_pools();
      pool.set_gpus(2);
      pool.mutable_engine()->set_preset(preset.name);
      pool.mutable_engine()->set_num_blocks(
          static_cast<std::uint64_t>(250'000 / preset.knobs.block_tokens));
      config.mutable_router()->set_policy(router.name);
      config.mutable_router()->set_staleness_ns(100'000'000);
      const auto cluster = resolve_cluster(config);
      if (!cluster) FAIL(cluster.error().message);
      auto reader = TraceReader::open(folder.file("t.pb"));
      REQUIRE(reader);
      const auto result = simulate(*reader, *cluster, {});
      CAPTURE(preset.name, router.name);
      REQUIRE(result);
      REQUIRE(result->requests.size() == first.size());
      for (const RequestResult& request : result->requests) {
        REQUIRE(request.outcome == Outcome::kFinished);
        REQUIRE(request.output_tokens == first[request.request].output_tokens.value());
        REQUIRE(sum(request.stage_ns) == (request.end - request.arrival).ns());
      }
      for (const EngineResult& engine : result->engines)
        REQUIRE(sum(engine.stage_ns) + engine.idle_ns == result->end.ns());
      if (preset.knobs.reserve_output == 1) {
        for (const EngineResult& engine : result->engines) CHECK(engine.preemptions == 0);
      }
    }
  }
}

}  // namespace
}  // namespace scsim::sim
