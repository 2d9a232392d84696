// Tenants in the store: who shares with whom, and who may take what from whom (INV-ISOLATE).
#include <catch2/catch.hpp>

#include "sim/store/kv_store.h"
#include "tests/sim/random_cluster.h"
#include "tests/sim/random_trace.h"
#include "tests/sim/store/random_prompts.h"

namespace scsim::sim {
namespace {

using test::SmallTrace;

struct Limits {
  std::optional<std::int64_t> quota;
  std::int64_t guarantee = 0;
};

// Random prompts of three tenants over one tier; calls check(tenant who asked, blocks each had
// before, blocks each has now).
template <class Check>
void for_random_requests(const std::string& policy, std::int64_t capacity,
                         const std::vector<Limits>& limits, std::uint64_t seed, Check check) {
  Rng rng(seed, "test.tenants");
  SmallTrace trace = test::random_prompts(rng, 120);
  TokenPaths paths;
  KvStore store({.block_tokens = 3, .tail = true}, paths, nullptr);
  TierOptions options;
  options.capacity = capacity;
  options.eviction = *find_eviction(policy, {});
  for (const Limits& limit : limits) options.limits.push_back({limit.quota, limit.guarantee});
  const TierId id = store.add_tier(std::move(options));
  for (std::size_t tenant = 0; tenant < limits.size(); ++tenant)
    store.tier(id).join(static_cast<std::uint32_t>(tenant), tenant);
  std::vector<std::int64_t> before(3), now(3);
  std::uint64_t number = 0;
  for (const Request& request : trace.requests()) {
    const auto tenant = static_cast<std::uint32_t>(request.tenant.value());
    const PathId path = paths.make(request.prompt, ContentId{}, 0, 0);
    store.look_up(path, paths.tokens(path));
    store.serve(id, {TimePoint(static_cast<std::int64_t>(number)), tenant, number}, 1);
    ++number;
    paths.drop_reference(path);
    store.check_everything();
    for (std::uint32_t t = 0; t < 3; ++t) now[t] = store.tier(id).used_by(t);
    check(tenant, before, now);
    before = now;
  }
}

TEST_CASE("no tenant stores more than its quota, whatever the policy", "[sim][store][tenants]") {
  for (const EvictionEntry& policy : eviction_table()) {
    if (policy.oracle) continue;
    for (std::uint64_t seed = 0; seed < 8; ++seed) {
      CAPTURE(policy.name, seed);
      bool full = false;
      for_random_requests(policy.name, 60, {{.quota = 7}, {.quota = 20}, {}}, seed,
                          [&](std::uint32_t, const auto&, const auto& now) {
                            REQUIRE(now[0] <= 7);
                            REQUIRE(now[1] <= 20);
                            full = full || now[0] == 7;
                          });
      CHECK(full);
    }
  }
}

TEST_CASE("below its guarantee a tenant loses nothing to others", "[sim][store][tenants]") {
  for (const EvictionEntry& policy : eviction_table()) {
    if (policy.oracle || policy.name == "ttl") continue;  // what time ends, nobody took
    for (std::uint64_t seed = 0; seed < 8; ++seed) {
      CAPTURE(policy.name, seed);
      bool gave = false;
      for_random_requests(policy.name, 40,
                          {{.quota = {}, .guarantee = 12}, {.quota = {}, .guarantee = 5}, {}}, seed,
                          [&](std::uint32_t tenant, const auto& before, const auto& now) {
                            const std::int64_t guarantees[] = {12, 5, 0};
                            for (std::uint32_t t = 0; t < 3; ++t) {
                              if (t == tenant) continue;
                              REQUIRE(now[t] >= std::min(before[t], guarantees[t]));
                              gave = gave || now[t] < before[t];
                            }
                          });
      CHECK(gave);
    }
  }
}

// ---- who shares with whom ----

// Three tenants ask about the same document, one after the other, with ample memory.
std::vector<std::int64_t> tokens_reused(const std::vector<TenantSettings>& tenants,
                                        bool engine_caches) {
  SmallTrace trace;
  const ContentId document = trace.content(64);
  for (std::uint64_t tenant = 0; tenant < 3; ++tenant) {
    trace
        .ask(test::at_ms(static_cast<std::int64_t>(tenant) * 10'000),
             {{document, Tokens(0), Tokens(64)}}, 2)
        .tenant = TenantId(tenant);
  }
  EngineKnobs knobs;
  knobs.block_tokens = 4;
  knobs.prefix_caching = engine_caches;
  Cluster cluster = test::small_cluster(test::kSomeCost, knobs, 1000);
  cluster.pools[0].model.layers = {{.count = 1, .kv_heads = 1, .head_dim = 3}};
  cluster.store.block_tokens = 8;
  cluster.store.fetch = StoreSettings::Fetch::kAlways;
  TierSettings tier;
  tier.name = tier.medium = "dram";
  tier.capacity = 1'000'000;
  tier.read_bytes_per_second = tier.write_bytes_per_second = 1e9;
  tier.eviction = *find_eviction("lru", {});
  cluster.store.tiers = {tier};
  cluster.store.tenants = tenants;
  const Result result = test::run(trace, cluster);
  std::vector<std::int64_t> reused;
  for (std::size_t i = 0; i < 3; ++i)
    reused.push_back(result.requests[i].found_tokens + result.fetches[i].tokens[0]);
  return reused;
}

TEST_CASE("tenants share a document unless one of them is isolated or they are in other groups",
          "[sim][store][tenants]") {
  const auto named = [](const std::string& name, bool isolated, const std::string& group) {
    return TenantSettings{name, isolated, group, "", {}};
  };
  for (const bool engine_caches : {true, false}) {
    CAPTURE(engine_caches);
    // The last token is always computed; an engine finds whole blocks of its own alone.
    const std::int64_t all = engine_caches ? 60 + 3 : 63;
    const auto shared = tokens_reused({}, engine_caches);
    CHECK(shared == std::vector<std::int64_t>{0, all, all});
    const auto isolated = tokens_reused({named("b", true, "")}, engine_caches);
    CHECK(isolated == std::vector<std::int64_t>{0, 0, all});
    const auto groups =
        tokens_reused({named("b", false, "ours"), named("c", false, "ours")}, engine_caches);
    CHECK(groups == std::vector<std::int64_t>{0, 0, all});
  }
}

// ---- in the engines' own memory ----

TenantSettings with_hbm(const std::string& name, std::optional<std::int64_t> quota,
                        std::int64_t guarantee) {
  return {name, true, "", "", {{TenantSettings::kHbm, quota, guarantee}}};
}

// One engine of `blocks` blocks of 4 tokens, 4 * 12 bytes each.
Cluster limited_cluster(std::int64_t blocks, const std::vector<TenantSettings>& tenants) {
  EngineKnobs knobs;
  knobs.block_tokens = 4;
  Cluster cluster = test::small_cluster(test::kSomeCost, knobs, blocks);
  cluster.pools[0].model.layers = {{.count = 1, .kv_heads = 1, .head_dim = 3}};
  cluster.store.tenants = tenants;
  return cluster;
}
constexpr std::int64_t kBlockBytes = 4 * 12;

// The pool checks its quotas at every step, the scheduler that what it promised is there.
TEST_CASE("limits in the engines' memory hold over random schedules, and every request ends",
          "[sim][store][tenants]") {
  std::int64_t finished = 0, found = 0;
  for (std::uint64_t trial = 0; trial < 40; ++trial) {
    Rng rng(trial, "test.hbm_limits");
    Cluster cluster = test::random_cluster(rng);
    Pool& pool = cluster.pools[0];
    pool.model.layers = {{.count = 1, .kv_heads = 1, .head_dim = 3}};
    const std::int64_t bytes = pool.num_blocks * pool.knobs.block_tokens * 12;
    cluster.store.tenants = {with_hbm("a", bytes / 2, bytes / 8), with_hbm("c", {}, bytes / 4)};
    const SmallTrace trace = test::random_trace(rng, {.sessions = 60, .mean_pause_ms = 3});
    const Result result = test::run(trace, cluster);
    CHECK(result.requests.size() == trace.requests().size());
    for (const RequestResult& request : result.requests) {
      finished += request.outcome == Outcome::kFinished;
      found += request.found_tokens;
    }
  }
  CHECK(finished > 1000);
  CHECK(found > 1000);
}

// Tenant a floods the engine; b asks now and then.
TEST_CASE("a guarantee lets a tenant start at once where another has filled the queue",
          "[sim][store][tenants]") {
  SmallTrace trace;
  for (int i = 0; i < 60; ++i) trace.ask(test::at_ms(i), 40, 100);  // 35 blocks each, of a's 80
  trace.ask(test::at_ms(500), 40, 10).tenant = TenantId(1);
  for (Request& request : trace.requests()) request.max_tokens = request.output_tokens;
  const auto wait = [&](const std::vector<TenantSettings>& tenants) {
    const Result result = test::run(trace, limited_cluster(100, tenants));
    const RequestResult& last = test::result_of(result, 60);
    REQUIRE(last.outcome == Outcome::kFinished);
    return (last.scheduled - last.arrival).seconds().value();
  };
  CHECK(wait({}) > 1);
  CHECK(wait({with_hbm("b", {}, 20 * kBlockBytes)}) < 0.02);  // the step under way
  CHECK(wait({with_hbm("a", 80 * kBlockBytes, 0)}) < 0.02);
}

TEST_CASE("a request that its tenant's quota can never hold is refused by name",
          "[sim][store][tenants]") {
  SmallTrace trace;
  trace.ask(TimePoint(0), 40, 10).max_tokens = Tokens(10);  // 13 blocks
  trace.ask(TimePoint(0), 40, 10).max_tokens = Tokens(10);
  trace.requests()[1].tenant = TenantId(1);
  const Result result =
      test::run(trace, limited_cluster(100, {with_hbm("a", 12 * kBlockBytes, 0)}));
  CHECK(result.requests[0].outcome == Outcome::kRefused);
  CHECK(result.requests[1].outcome == Outcome::kFinished);
  bool said = false;
  for (const std::string& line : result.honesty)
    said = said || line.find("limits in hbm") != std::string::npos;
  CHECK(said);
}

}  // namespace
}  // namespace scsim::sim
