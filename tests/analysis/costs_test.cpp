#include "analysis/costs.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "analysis/costs_report.h"
#include "tests/analysis/sample_result.h"
#include "tests/analysis/sample_store.h"
#include "traces/rng.h"

namespace scsim::analysis {
namespace {

Amount sum(const std::vector<CostShare>& shares) {
  Amount all;
  for (const CostShare& share : shares) all += share.amount;
  return all;
}

const CostShare& named(const std::vector<CostShare>& shares, const std::string& name) {
  const auto found = std::ranges::find(shares, name, &CostShare::name);
  REQUIRE(found != shares.end());
  return *found;
}

// One engine of one GPU with a run of 100 s, and its stages in seconds.
Result one_engine(double generation, double decode) {
  Result result;
  result.end = at(100);
  result.pue = 1;
  EngineResult& engine = result.engines.emplace_back();
  engine.pool = "main";
  engine.price_per_gpu_hour = 3.6;
  engine.watts = {.gpu_idle = 100, .gpu_active = 700, .host_idle = 50, .host_active = 300};
  engine.stage_ns[static_cast<std::size_t>(Stage::kGeneration)] = at(generation).ns();
  engine.stage_ns[static_cast<std::size_t>(Stage::kDecode)] = at(decode).ns();
  engine.idle_ns = at(100 - generation - decode).ns();
  result.tables.tenants = {{TenantId(0), "a", ""}, {TenantId(1), "b", ""}};
  return result;
}

RequestResult asked(std::uint32_t tenant, std::int64_t prompt, std::int64_t found,
                    std::int64_t output) {
  RequestResult r = finished_request(1, 2, 3, 4, output);
  r.tenant = tenant;
  r.prompt_tokens = prompt;
  r.found_tokens = found;
  return r;
}

TEST_CASE("energy is what GPUs and hosts draw in steps and idle, times pue", "[analysis][costs]") {
  Result result = one_engine(30, 10);
  result.pue = 1.5;
  result.grams_co2_per_kwh = 360;
  result.requests = {asked(0, 1000, 0, 100)};
  const Costs costs = attribute_costs(result);
  CHECK(named(costs.parts, "GPUs in steps").amount.joules() == Approx(40 * 700));
  CHECK(named(costs.parts, "idle GPUs").amount.joules() == Approx(60 * 100));
  CHECK(named(costs.parts, "hosts").amount.joules() == Approx(40 * 300 + 60 * 50));
  const double machines = 28000 + 6000 + 15000;
  CHECK(costs.total.joules() == Approx(1.5 * machines));
  CHECK(costs.grams(costs.total) == Approx(1.5 * machines / 3.6e6 * 360));
  CHECK(costs.total.dollars() == Approx(0.1));  // 100 s at $3.60 an hour
}

TEST_CASE("prefill is borne by computed prompt tokens and decoding by generated ones",
          "[analysis][costs]") {
  // 30 s of prefill: 2,000 tokens were computed for a, and 1,000 for b, which found the rest. 10 s
  // of decoding: 100 tokens of a's, 300 of b's. So a used 20 + 2.5 of the 40 GPU seconds, and
  // bears as much of the idle 60.
  Result result = one_engine(30, 10);
  result.requests = {asked(0, 2000, 0, 100), asked(1, 3000, 2000, 300)};
  const Costs costs = attribute_costs(result);
  CHECK(named(costs.tenants, "a").amount.dollars() == Approx(0.1 * 22.5 / 40));
  CHECK(named(costs.tenants, "a").amount.joules() == Approx(costs.total.joules() * 22.5 / 40));
}

TEST_CASE(
    "a tier's price goes to the tenants it kept blocks for, a link's to those whose bytes it "
    "carried",
    "[analysis][costs]") {
  Result result = one_engine(30, 10);
  result.requests = {asked(0, 1000, 0, 100), asked(1, 1000, 0, 100)};
  const Amount before = attribute_costs(result).total;
  TierResult& tier = result.tiers.emplace_back();
  tier.name = "dram";
  tier.capacity_bytes = std::int64_t{36} << 30;
  tier.price_per_gib_hour = 1;  // 36 GiB for 100 s: $1
  tier.charged_byte_seconds = {1e9, 3e9};
  LinkResult& link = result.links.emplace_back();
  link.bytes = 4'000'000'000;
  link.price_per_gb = 0.5;  // $2
  link.bytes_by_tenant = {4'000'000'000, 0};
  const Costs costs = attribute_costs(result);
  CHECK(costs.total.dollars() == Approx(before.dollars() + 3));
  const double half = before.dollars() / 2;  // both used the engine alike
  CHECK(named(costs.tenants, "a").amount.dollars() == Approx(half + 0.25 + 2));
  CHECK(named(costs.tenants, "b").amount.dollars() == Approx(half + 0.75));
}

TEST_CASE("requests add up to tenants, and tenants and parts to the cluster, exactly",
          "[analysis][costs]") {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    Rng rng(seed, "costs");
    Result result = sample_result({.requests = 50 + rng.below(400),
                                   .engines = 1 + rng.below(4),
                                   .price_per_gpu_hour = rng.uniform(0.1, 9),
                                   .seed = seed});
    if (rng.chance(0.5)) add_store(result);
    result.pue = rng.uniform(1, 2);
    for (std::size_t e = 0; e < result.engines.size(); ++e) {
      EngineResult& engine = result.engines[e];
      engine.pool = rng.chance(0.5) ? "main" : "other";
      engine.watts = {rng.uniform(1, 99), rng.uniform(99, 999), rng.uniform(1, 99),
                      rng.uniform(99, 999)};
      if (rng.chance(0.2))  // an engine that nobody was sent to, or everybody left
        for (RequestResult& r : result.requests)
          if (r.engine == static_cast<std::int32_t>(e)) r.engine = -1;
    }
    for (TierResult& tier : result.tiers) {
      tier.price_per_gib_hour = rng.uniform(0, 0.1);
      if (rng.chance(0.3)) tier.charged_byte_seconds.clear();
    }
    for (LinkResult& link : result.links) {
      link.price_per_gb = rng.uniform(0, 0.1);
      if (rng.chance(0.7)) link.bytes_by_tenant = {1, 0, static_cast<std::int64_t>(rng.below(9))};
    }
    std::vector<Amount> of_requests;
    const Costs costs = attribute_costs(result, &of_requests);
    INFO("seed " << seed);
    REQUIRE(of_requests.size() == result.requests.size());
    Amount all;
    for (const Amount& one : of_requests) {
      CHECK(one.microjoules >= 0);
      CHECK(one.nanodollars >= 0);
      all += one;
    }
    CHECK(costs.total.microjoules > 0);
    CHECK(costs.total.nanodollars > 0);
    CHECK((all == costs.total));
    CHECK((sum(costs.tenants) == costs.total));
    CHECK((sum(costs.parts) == costs.total));
  }
}

TEST_CASE("nothing is told of energy unless the cluster does, and of money without a price",
          "[analysis][costs]") {
  Result result = sample_result({.requests = 100, .price_per_gpu_hour = 0});
  CHECK(!summarise(result, {}).costs);
  result.pue = 1;
  const Summary summary = summarise(result, {});
  REQUIRE(summary.costs);
  CHECK(summary.costs->has_energy);
  CHECK(!summary.costs->has_dollars);
  CHECK(energy_sentence(summary).find("kWh") != std::string::npos);
}

}  // namespace
}  // namespace scsim::analysis
