#include "analysis/store_summary.h"

#include <catch2/catch.hpp>
#include <numeric>

#include "analysis/compare.h"
#include "analysis/request_times.h"
#include "analysis/summary.h"
#include "tests/analysis/sample_result.h"
#include "tests/analysis/sample_store.h"

namespace scsim::analysis {
namespace {

Result result_with_store(const SampleOptions& options = {}) {
  Result result = sample_result(options);
  add_store(result);
  return result;
}

}  // namespace

TEST_CASE("a result without tiers has no store to speak of", "[analysis][store]") {
  CHECK_FALSE(summarise(sample_result({}), {}).store);
  CHECK_FALSE(summarise(Result(), {}).store);
}

TEST_CASE("found, fetched and computed tokens are the prompt tokens", "[analysis][store]") {
  const Result result = result_with_store();
  const Summary summary = summarise(result, {});
  REQUIRE(summary.store);
  const TokenSources& all = summary.store->all;
  std::int64_t prompt = 0, requests = 0;
  for (const RequestResult& r : result.requests) {
    if (!summary.window.measures(r) || !admitted(r)) continue;
    prompt += r.prompt_tokens;
    ++requests;
  }
  CHECK(all.requests == requests);
  CHECK(all.prompt_tokens == prompt);
  CHECK(all.found_tokens + all.fetched() + all.computed_tokens() == prompt);
  CHECK(all.found_tokens == summary.all.hits.found_tokens);
  CHECK(all.computed_tokens() > 0);
  CHECK(all.fetched_tokens[0] > 0);
  CHECK(all.found_lossy_tokens > 0);
  CHECK(all.found_lossy_tokens <= all.found_tokens);
  CHECK(all.fetched_lossy_tokens == all.fetched_tokens[1]);
  CHECK(summary.store->tiers[0].hit_ratio ==
        Approx(static_cast<double>(all.fetched_tokens[0]) / static_cast<double>(prompt)));
  // Every request that fetched was spared ten times what it waited.
  CHECK(summary.store->ttft_saved() == Approx(0.9 * all.mean(all.avoided_seconds)));
}

TEST_CASE("tenants' tokens and times add up to the whole", "[analysis][store]") {
  const StoreSummary store = *summarise(result_with_store(), {}).store;
  TokenSources sum;
  sum.fetched_tokens.resize(2);
  for (const TokenSources& tenant : store.tenants) {
    CHECK(tenant.found_tokens + tenant.fetched() + tenant.computed_tokens() ==
          tenant.prompt_tokens);
    sum.requests += tenant.requests;
    sum.prompt_tokens += tenant.prompt_tokens;
    sum.found_tokens += tenant.found_tokens;
    sum.found_lossy_tokens += tenant.found_lossy_tokens;
    for (std::size_t t = 0; t < 2; ++t) sum.fetched_tokens[t] += tenant.fetched_tokens[t];
    sum.fetched_lossy_tokens += tenant.fetched_lossy_tokens;
    sum.avoided_seconds += tenant.avoided_seconds;
    sum.wait_seconds += tenant.wait_seconds;
  }
  REQUIRE(store.tenants.size() == 3);
  CHECK(sum.requests == store.all.requests);
  CHECK(sum.prompt_tokens == store.all.prompt_tokens);
  CHECK(sum.found_tokens == store.all.found_tokens);
  CHECK(sum.found_lossy_tokens == store.all.found_lossy_tokens);
  CHECK(sum.fetched_tokens == store.all.fetched_tokens);
  CHECK(sum.fetched_lossy_tokens == store.all.fetched_lossy_tokens);
  CHECK(sum.avoided_seconds == Approx(store.all.avoided_seconds));
  CHECK(sum.wait_seconds == Approx(store.all.wait_seconds));
}

TEST_CASE("requests that were never admitted fetched nothing that counts", "[analysis][store]") {
  Result result = result_with_store({.requests = 200});
  const StoreSummary before = *summarise(result, {.warm_up = 0}).store;
  RequestResult& refused = result.requests[100];
  const std::int64_t prompt = refused.prompt_tokens;
  refused.outcome = Outcome::kRefused;
  refused.output_tokens = 0;
  refused.scheduled = {};
  const StoreSummary after = *summarise(result, {.warm_up = 0}).store;
  CHECK(after.all.requests == before.all.requests - 1);
  CHECK(after.all.prompt_tokens == before.all.prompt_tokens - prompt);
}

TEST_CASE("lives of a tier are counted once, by the reason they ended", "[analysis][store]") {
  const StoreSummary store = *summarise(result_with_store(), {}).store;
  const TierSummary& tier = store.tiers[0];
  REQUIRE(tier.lifetimes.size() == 5);  // of six reasons one did not happen
  std::uint64_t blocks = 0;
  for (const LifetimeSummary& life : tier.lifetimes) {
    CHECK(life.blocks > 0);
    CHECK(life.reason != "never_cached");
    blocks += life.blocks;
  }
  CHECK(blocks == 600 + 200 + 100 + 50 + 10);
  CHECK(tier.residence.blocks == blocks);
  CHECK(tier.residence.mean == Approx((600 * 90.0 + 200 * 600 + 100 * 30 + 50 * 3 + 10 * 1) / 960));
  CHECK(tier.between_uses.blocks == 4000);
  CHECK(tier.between_uses.mean == Approx(12));
  CHECK(tier.between_uses.p50 >= 8);
  CHECK(tier.between_uses.p50 <= 16);
}

TEST_CASE("a price of capacity gives dollars, of the tier and of its tenants",
          "[analysis][store]") {
  const Result result = result_with_store();
  const Summary summary = summarise(result, {});
  const TierSummary &dram = summary.store->tiers[0], &remote = summary.store->tiers[1];
  REQUIRE(dram.dollars);
  CHECK(*dram.dollars == Approx(256 * 0.004 * summary.run_seconds / 3600));
  CHECK_FALSE(remote.dollars);
  REQUIRE(dram.tenants.size() == 3);
  for (std::size_t t = 0; t < 3; ++t) {
    CHECK(dram.tenants[t].charged_gib_hours == Approx(3.0 - static_cast<double>(t)));
    CHECK(dram.tenants[t].stored_gib_hours == Approx(1.0 + static_cast<double>(t)));
    CHECK(*dram.tenants[t].charged_dollars == Approx(0.004 * (3.0 - static_cast<double>(t))));
    CHECK_FALSE(remote.tenants[t].charged_dollars);
  }
  CHECK(summary.store->abandoned_loads == 2);
  CHECK(summary.store->avoided_gpu_seconds ==
        Approx(result.tiers[0].avoided_gpu_seconds + result.tiers[1].avoided_gpu_seconds));
  CHECK(summary.store->avoided_dollars);
  CHECK_FALSE(summarise(result_with_store({.price_per_gpu_hour = 0}), {}).store->avoided_dollars);
}

TEST_CASE("a link without a limit has no utilisation", "[analysis][store]") {
  const Result result = result_with_store();
  const Summary summary = summarise(result, {});
  const std::vector<LinkSummary>& links = summary.store->links;
  REQUIRE(links.size() == 4);
  CHECK(*links[1].utilisation == Approx(900.0 * (1 << 30) / summary.run_seconds / 300e9));
  CHECK_FALSE(links[2].utilisation);
  CHECK(*links[3].utilisation == 0);
  CHECK(links[0].busy_share == Approx(0.25));
  CHECK(busiest_links(result, 9) == std::vector<std::size_t>{1, 0, 2});
  CHECK(busiest_links(result, 1) == std::vector<std::size_t>{1});
  CHECK(largest_holders(result, 2) == std::vector<std::size_t>{2, 1});
}

TEST_CASE("two results compare tier by tier", "[analysis][store][compare]") {
  const std::string text =
      comparison_text(compare(sample_result({}), result_with_store(), {}, "a", "b"));
  CHECK(text.find("hit ratio, dram") != std::string::npos);
  CHECK(text.find("hit ratio, remote") != std::string::npos);
  CHECK(comparison_text(compare(sample_result({}), sample_result({}), {}, "a", "b"))
            .find("hit ratio, ") == std::string::npos);
}

}  // namespace scsim::analysis
