#include <catch2/catch.hpp>
#include <numeric>

#include "analysis/summary.h"
#include "tests/analysis/sample_result.h"

namespace scsim::analysis {

TEST_CASE("an engine's ledger adds up to the run", "[analysis]") {
  const Result result = sample_result({});
  const Summary summary = summarise(result, {});
  for (const EngineSummary& engine : summary.engines)
    CHECK(engine.busy_seconds() + engine.idle_seconds ==
          Approx(result.end.seconds().value()).epsilon(1e-9));
  CHECK(summary.cluster.gpu_seconds() ==
        Approx(summary.cluster.gpus * result.end.seconds().value()).epsilon(1e-9));
}

TEST_CASE("a roofline position is of the time an engine was busy", "[analysis]") {
  Result result;
  result.end = at(100);
  EngineResult& engine = result.engines.emplace_back();
  engine.stage_ns[static_cast<std::size_t>(Stage::kDecode)] = 25000000000;
  engine.idle_ns = 75000000000;
  engine.hbm_bytes = 25e12;
  engine.flops = 50e12;
  engine.peak_hbm_bytes_per_second = 4e12;
  engine.peak_flops_per_second = 1e15;
  const Summary summary = summarise(result, {});
  CHECK(summary.engines[0].hbm_bytes_per_second == Approx(1e12));
  CHECK(summary.engines[0].flops_per_second == Approx(2e12));
  CHECK(summary.cluster.hbm_bytes_per_second == Approx(1e12));
  CHECK(summary.cluster.peak_hbm_bytes_per_second == Approx(4e12));
}

TEST_CASE("utilisation is of the window, not of the drain", "[analysis]") {
  Result result = sample_result({.engines = 1});
  std::vector<float>& busy = result.engines[0].timeline.busy;
  const Window window = measured_window(result, 0.1);
  for (std::size_t i = 0; i < busy.size(); ++i) {
    const std::int64_t begin = result.timeline_bin.ns() * static_cast<std::int64_t>(i);
    busy[i] = begin < window.begin.ns() || begin >= window.end.ns() ? 0.0F : 1.0F;
  }
  // The bin that the window's end cuts counts with the part inside, the first one is cut likewise.
  CHECK(*summarise(result, {}).engines[0].utilisation == Approx(1).margin(0.01));
}

TEST_CASE("found tokens are worth what computed ones cost on the same engine", "[analysis]") {
  Result result;
  result.end = at(1000);
  for (int e = 0; e < 2; ++e) {
    EngineResult& engine = result.engines.emplace_back();
    engine.gpus = e + 1;
    engine.price_per_gpu_hour = 3.6;
    engine.prefill_tokens = 1000;
    // Engine 0: 10 ms a token; engine 1: 20 ms a token on two GPUs.
    engine.stage_ns[static_cast<std::size_t>(Stage::kGeneration)] = (e + 1) * 10000000000;
    engine.idle_ns = result.end.ns() - (e + 1) * 10000000000;
    RequestResult r = finished_request(e, e, 2, 3, 2);
    r.engine = e;
    r.prompt_tokens = 200;
    r.found_tokens = 100;
    result.requests.push_back(r);
  }
  const CacheWorth worth = summarise(result, {}).cache_worth;
  CHECK(worth.found_tokens == 200);
  CHECK(worth.gpu_seconds == Approx(100 * 0.01 * 1 + 100 * 0.02 * 2));
  CHECK(worth.share_of_run == Approx(5.0 / 3000));
  CHECK(*worth.dollars == Approx(5 * 3.6 / 3600));
}

TEST_CASE("money is said only when every engine has a price", "[analysis]") {
  Result result = sample_result({});
  const Summary priced = summarise(result, {});
  REQUIRE(priced.money);
  // Two GPUs at $2.5 an hour for the run; per token: dollars a second over tokens a second.
  CHECK(priced.money->dollars == Approx(5.0 / 3600 * result.end.seconds().value()));
  CHECK(*priced.money->per_million_generated_tokens ==
        Approx(5.0 / 3600 / priced.rates.generated_tokens * 1e6));
  CHECK(*priced.money->per_thousand_within_slo == Approx(5.0 / 3600 / priced.rates.goodput * 1e3));
  result.engines[1].price_per_gpu_hour = 0;
  CHECK_FALSE(summarise(result, {}).money);
  CHECK_FALSE(summarise(result, {}).cache_worth.dollars);
}

TEST_CASE("lifetimes are read off bins that double", "[analysis]") {
  Result result;
  // Bin 20 holds [1, 2) s, bin 22 holds [4, 8) s.
  result.lifetimes.count[0][20] = 50;
  result.lifetimes.count[0][22] = 50;
  result.lifetimes.sum_seconds[0] = 50 * 1.5 + 50 * 6;
  const Summary summary = summarise(result, {});
  REQUIRE(summary.lifetimes.size() == 3);  // what happens in tiers only is not said of engines
  CHECK(summary.lifetimes[0].blocks == 100);
  CHECK(summary.lifetimes[0].mean == Approx(3.75));
  CHECK(summary.lifetimes[0].p50 == Approx(2));
  CHECK(summary.lifetimes[0].p90 == Approx(4 + 4 * 0.8));
  CHECK(summary.lifetimes[1].blocks == 0);
}

}  // namespace scsim::analysis
