#include "analysis/fairness.h"

#include <catch2/catch.hpp>

#include "analysis/summary.h"
#include "tests/analysis/sample_result.h"

namespace scsim::analysis {
namespace {

TEST_CASE("Jain's index is 1 for equal shares and 1/n where one has all", "[analysis][fairness]") {
  CHECK(jain_index({3, 3, 3, 3}) == 1);
  CHECK(jain_index({5, 0, 0, 0}) == 0.25);
  CHECK(jain_index({1, 2}) == Approx(0.9));  // 9 / (2 * 5)
  CHECK(jain_index({}) == 1);
}

TEST_CASE("service is counted in tokens for their weight, dominant shares by resource",
          "[analysis][fairness]") {
  Result result;
  result.tables.tenants = {{TenantId(0), "a", ""}, {TenantId(1), "b", ""}, {TenantId(2), "c", ""}};
  result.tenant_weights = {1, 2, 1};
  EngineResult& engine = result.engines.emplace_back();
  engine.stage_ns[static_cast<std::size_t>(Stage::kGeneration)] = 60;
  engine.stage_ns[static_cast<std::size_t>(Stage::kDecode)] = 40;
  // a computed 1,000 tokens and generated 50; b 3,000, of which 2,000 were found, and 550.
  const auto ask = [&](std::uint32_t tenant, std::int64_t prompt, std::int64_t found,
                       std::int64_t output) {
    RequestResult r = finished_request(0, 1, 2, 3, output);
    r.tenant = tenant;
    r.prompt_tokens = prompt;
    r.found_tokens = found;
    result.requests.push_back(r);
  };
  ask(0, 1000, 0, 50);
  ask(1, 3000, 2000, 550);
  TierResult& tier = result.tiers.emplace_back();
  tier.name = "dram";
  tier.charged_byte_seconds = {9, 1};
  const auto fairness = fairness_of(result);
  REQUIRE(fairness);
  REQUIRE(fairness->tenants.size() == 2);  // c asked for nothing
  CHECK(fairness->tenants[0].tokens == 1100);
  CHECK(fairness->tenants[1].tokens == 2100);
  CHECK(fairness->service == Approx(jain_index({1100, 1050})));
  // GPU time: half of 60 each; of 40, a has 50/600 and b the rest. a's largest share is of dram.
  CHECK(fairness->tenants[0].dominant == "dram");
  CHECK(fairness->tenants[0].dominant_share == Approx(0.9));
  CHECK(fairness->tenants[1].dominant == "GPU time");
  CHECK(fairness->tenants[1].dominant_share == Approx((30 + 40 * 550 / 600.0) / 100));
}

TEST_CASE("fairness is told of where engines serve by weights", "[analysis][fairness]") {
  CHECK(!summarise(sample_result({.requests = 50}), {}).fairness);
}

}  // namespace
}  // namespace scsim::analysis
