// The store under the clock against the store without one, and against itself arranged otherwise.
#include "sim/store/tiered_store.h"

#include <catch2/catch.hpp>
#include <limits>
#include <map>

#include "tests/sim/random_cluster.h"
#include "tests/sim/store/random_prompts.h"
#include "tests/support/real_data.h"
#include "tests/traces/imported.h"

namespace scsim::sim {
namespace {

using test::SmallTrace;

constexpr double kInfinite = std::numeric_limits<double>::infinity();

// Requests are a thousand seconds apart: a time to live that spans some of them.
PolicyParameters parameters_of(const std::string& policy) {
  if (policy == "ttl") return {{"seconds", 10'500}};
  return {};
}

TierSettings tier(const std::string& name, const std::string& policy, std::int64_t capacity) {
  TierSettings settings;
  settings.name = settings.medium = name;
  settings.scope = TierSettings::Scope::kEngine;
  settings.capacity = capacity;
  settings.read_bytes_per_second = settings.write_bytes_per_second = kInfinite;
  settings.eviction = *find_eviction(policy, parameters_of(policy));
  return settings;
}

// One engine with blocks enough, no prefix cache of its own and links that take no time.
Cluster instant_cluster(std::int64_t block_tokens, bool tail) {
  EngineKnobs knobs;
  knobs.block_tokens = 2;
  knobs.prefix_caching = false;
  Cluster cluster = test::small_cluster(test::kSomeCost, knobs, 100'000);
  cluster.pools[0].model.layers = {{.count = 1, .kv_heads = 1, .head_dim = 3}};
  cluster.store.block_tokens = block_tokens;
  cluster.store.tail = tail;
  cluster.store.answers = false;
  cluster.store.fetch = StoreSettings::Fetch::kAlways;
  cluster.store.pcie_bytes_per_second = kInfinite;
  return cluster;
}

// One after the other: each has long ended when the next arrives.
void far_apart(SmallTrace& trace) {
  for (std::size_t i = 0; i < trace.requests().size(); ++i) {
    trace.requests()[i].arrival = trace.requests()[i].earliest =
        TimePoint(static_cast<std::int64_t>(i) * 1000 * 1'000'000'000);
  }
}

std::int64_t kv_bytes_per_block(const Cluster& cluster) {
  const Pool& pool = cluster.pools[0];
  const double bytes = pool.model.cache_per_token(pool.precision.cache_bits).value() *
                       static_cast<double>(cluster.store.block_tokens);
  return std::max<std::int64_t>(static_cast<std::int64_t>(bytes), 1);
}

// Tokens found of each prompt by a store without a clock.
std::vector<std::int64_t> served(const SmallTrace& trace, const Cluster& cluster,
                                 const std::string& policy, std::int64_t block_tokens, bool tail,
                                 std::int64_t blocks) {
  TokenPaths paths;
  KvStore store({.block_tokens = block_tokens, .tail = tail}, paths, nullptr);
  TierOptions options;
  options.capacity = blocks;
  options.eviction = *find_eviction(policy, parameters_of(policy));
  options.recompute_seconds = [&](std::int64_t from, std::int64_t tokens) {
    return cost_models::prefill_seconds(*cluster.pools[0].cost_model, from, tokens);
  };
  const TierId id = store.add_tier(std::move(options));
  std::vector<std::int64_t> found;
  std::uint64_t number = 0;
  for (const Request& request : trace.requests()) {
    const PathId path = paths.make(request.prompt, ContentId{}, 0, 0);
    store.look_up(path, paths.tokens(path));
    const Use use{*request.arrival, static_cast<std::uint32_t>(request.tenant.value()), number++};
    const std::int64_t hits = store.serve(id, use, 1);
    found.push_back(std::min(hits * block_tokens, paths.tokens(path)));
    paths.drop_reference(path);
    store.check_everything();
  }
  return found;
}

TEST_CASE("with infinite bandwidth and one request at a time a tier is the store without a clock",
          "[sim][store]") {
  for (const EvictionEntry& policy : eviction_table()) {
    if (policy.oracle) continue;
    std::int64_t fetched = 0;
    for (std::uint64_t trial = 0; trial < 12; ++trial) {
      Rng rng(trial, "test.tiered_store");
      SmallTrace trace = test::random_prompts(rng, 60);
      far_apart(trace);
      const std::int64_t block = test::between(rng, 1, 7);
      const bool tail = rng.chance(0.5);
      const std::int64_t blocks = test::between(rng, 1, 60);
      CAPTURE(policy.name, trial, block, tail, blocks);
      Cluster cluster = instant_cluster(block, tail);
      cluster.store.tiers = {tier("dram", policy.name, blocks * kv_bytes_per_block(cluster))};
      const Result result = test::run(trace, cluster);
      const std::vector<std::int64_t> found =
          served(trace, cluster, policy.name, block, tail, blocks);
      for (std::size_t i = 0; i < found.size(); ++i) {
        CAPTURE(i);
        // Of a prompt the last token is always computed.
        REQUIRE(result.fetches[i].tokens[0] ==
                std::min(found[i], result.requests[i].prompt_tokens - 1));
        fetched += result.fetches[i].tokens[0];
      }
    }
    CHECK(fetched > 1000);
  }
}

// What is read from the lower tier moves up, what the upper one evicts moves down: together they
// are one stack. Prompts must fit into the upper tier, which takes nothing of them otherwise.
TEST_CASE("two exclusive tiers under lru, with promotion, are one lru of their total size",
          "[sim][store]") {
  std::int64_t from_lower = 0;
  for (std::uint64_t trial = 0; trial < 40; ++trial) {
    Rng rng(trial, "test.exclusive_tiers");
    SmallTrace trace = test::random_prompts(rng, 80);
    far_apart(trace);
    const std::int64_t block = test::between(rng, 1, 7);
    std::int64_t longest = 0;
    for (const Request& request : trace.requests())
      longest = std::max(longest, request.prompt_tokens().value() / block);
    const std::int64_t upper = longest + test::between(rng, 0, 20);
    const std::int64_t lower = test::between(rng, 1, 60);
    CAPTURE(trial, block, upper, lower);
    Cluster cluster = instant_cluster(block, false);
    const std::int64_t bytes = kv_bytes_per_block(cluster);
    cluster.store.tiers = {tier("dram", "lru", upper * bytes), tier("nvme", "lru", lower * bytes)};
    cluster.store.tiers[0].promote = true;
    cluster.store.tiers[1].write_back = cluster.store.tiers[1].exclusive = true;
    const Result result = test::run(trace, cluster);
    const std::vector<std::int64_t> found =
        served(trace, cluster, "lru", block, false, upper + lower);
    for (std::size_t i = 0; i < found.size(); ++i) {
      CAPTURE(i);
      const FetchResult& fetch = result.fetches[i];
      REQUIRE(fetch.tokens[0] + fetch.tokens[1] ==
              std::min(found[i], result.requests[i].prompt_tokens - 1));
      from_lower += fetch.tokens[1];
    }
  }
  CHECK(from_lower > 1000);
}

// Every byte is on the links that it has to pass, and on no other.
TEST_CASE(
    "what one node computed another fetches from the shared store, each way over its own links",
    "[sim][store]") {
  SmallTrace trace;
  const ContentId document = trace.content(100);
  trace.ask(TimePoint(0), {{document, Tokens(0), Tokens(100)}}, 2);
  trace.ask(TimePoint(1'000'000'000'000), {{document, Tokens(0), Tokens(100)}}, 2);
  EngineKnobs knobs;
  knobs.block_tokens = 2;
  Cluster cluster = test::small_cluster(test::kSomeCost, knobs, 1000, 2);  // round robin
  Pool& pool = cluster.pools[0];
  pool.gpus_per_engine = pool.gpus_per_node = 1;  // an engine a node
  pool.model.layers = {{.count = 1, .kv_heads = 1, .head_dim = 3}};
  const auto token =
      static_cast<std::int64_t>(pool.model.cache_per_token(pool.precision.cache_bits).value());
  REQUIRE(token > 0);
  cluster.store.block_tokens = 8;
  cluster.store.answers = false;
  cluster.store.fetch = StoreSettings::Fetch::kAlways;
  cluster.store.pcie_bytes_per_second = 1e6;
  cluster.store.nic_bytes_per_second = 2e5;
  cluster.store.tiers = {tier("remote", "lru", 1'000'000)};
  cluster.store.tiers[0].scope = TierSettings::Scope::kCluster;
  cluster.store.tiers[0].read_bytes_per_second = 1e5;
  const Result result = test::run(trace, cluster);
  CHECK(result.requests[0].engine != result.requests[1].engine);
  CHECK(result.fetches[1].tokens[0] == 96);
  // The tightest link decides how long it waits: the store's own, at 1e5 bytes a second.
  CHECK(result.fetches[1].wait_ns == Approx(96e9 * static_cast<double>(token) / 1e5).margin(2));
  std::map<std::string, std::int64_t> bytes;
  for (const LinkResult& link : result.links) bytes[link.name] = link.bytes;
  const std::int64_t moved = 96 * token;
  CHECK(bytes == std::map<std::string, std::int64_t>{{"engine0 -> node0", moved},
                                                     {"node0 -> switch", moved},
                                                     {"switch -> remote", moved},
                                                     {"remote -> switch", moved},
                                                     {"switch -> node1", moved},
                                                     {"node1 -> engine1", moved},
                                                     {"engine1 -> node1", 0},
                                                     {"node0 -> engine0", 0},
                                                     {"node1 -> switch", 0},
                                                     {"switch -> node0", 0}});
}

double hit_ratio(const Result& result) {
  std::int64_t found = 0, prompts = 0;
  for (std::size_t i = 0; i < result.requests.size(); ++i) {
    found += result.requests[i].found_tokens + result.fetches[i].tokens[0];
    prompts += result.requests[i].prompt_tokens;
  }
  return static_cast<double>(found) / static_cast<double>(prompts);
}

// SGLang pull request 29049, other traces and sizes: 47.4 % of tokens hit with an inclusive host
// tier of twice the GPU's memory, 50.2 % with an exclusive one; 41.0 and 44.7 % with half of it.
TEST_CASE("an exclusive host tier finds some points more than an inclusive one, as SGLang measured",
          "[sim][store]") {
  const auto path = test::real_data("traces/mooncake/conversation_trace.jsonl.zst");
  if (!path) return;
  const test::Imported imported = test::import_files("mooncake", {*path});
  REQUIRE(imported.error.empty());
  SmallTrace trace;
  trace.contents() = imported.contents;
  trace.requests() = imported.requests;
  far_apart(trace);
  const auto run = [&](double size, bool exclusive) {
    EngineKnobs knobs;
    knobs.block_tokens = 512;
    knobs.cache_outputs = false;
    Cluster cluster = test::small_cluster(test::kSomeCost, knobs, 10'000);
    cluster.store.block_tokens = 512;
    cluster.store.answers = false;
    cluster.store.fetch = StoreSettings::Fetch::kAlways;
    cluster.store.pcie_bytes_per_second = kInfinite;
    const double bytes = 10'000 * static_cast<double>(kv_bytes_per_block(cluster));
    cluster.store.tiers = {tier("dram", "lru", static_cast<std::int64_t>(size * bytes))};
    cluster.store.tiers[0].write_back = cluster.store.tiers[0].exclusive = exclusive;
    return hit_ratio(test::run(trace, cluster));
  };
  const double twice = run(2, true) - run(2, false), half = run(0.5, true) - run(0.5, false);
  CAPTURE(twice, half);
  CHECK(twice > 0.01);
  CHECK(twice < 0.06);
  CHECK(half > 0.01);
  CHECK(half < 0.06);
}

}  // namespace
}  // namespace scsim::sim
