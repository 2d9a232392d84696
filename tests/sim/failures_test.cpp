// What breaks loses exactly what it held, and every request still ends in one way.
#include "sim/failures.h"

#include <catch2/catch.hpp>
#include <numeric>
#include <set>

#include "sim/store/kv_store.h"
#include "tests/sim/random_cluster.h"
#include "tests/sim/random_trace.h"
#include "traces/proto/cluster.pb.h"
#include "traces/yaml_message.h"

namespace scsim::test {
namespace {

using sim::Cluster;
using sim::EngineKnobs;

constexpr LinearCost kStep = {.step = 1e-3, .prefill_token = 1e-5, .decode_sequence = 1e-5};

Cluster cluster_of(int engines, Duration backoff = for_ms(10)) {
  Cluster cluster = small_cluster(kStep, {}, 1000, engines);
  cluster.pools[0].gpus_per_node = 2;
  cluster.failures.backoff = backoff;
  return cluster;
}

void breaks(Cluster& cluster, const std::string& what, const std::string& which, std::int64_t at,
            std::int64_t lasts) {
  cluster.failures.events.push_back({what, which, for_ms(at), for_ms(lasts)});
}

TEST_CASE("a node takes its engines and its tiers with it", "[sim][failures]") {
  Cluster cluster = cluster_of(4);
  for (const auto scope : {sim::TierSettings::Scope::kNode, sim::TierSettings::Scope::kCluster}) {
    sim::TierSettings tier;
    tier.name = scope == sim::TierSettings::Scope::kNode ? "dram" : "store";
    tier.scope = scope;
    cluster.store.tiers.push_back(tier);
  }
  std::vector<std::string> names;
  for (const sim::Component& component : sim::components_of(cluster))
    names.push_back(component.which);
  CHECK(names == std::vector<std::string>{"engine0", "engine1", "engine2", "engine3", "node0",
                                          "node1", "node0.dram", "node1.dram", "store"});
  const auto node1 = sim::components_of(cluster)[5];
  CHECK(node1.engines == std::vector<std::uint32_t>{2, 3});
  CHECK(node1.tiers == std::vector<std::int32_t>{1});
}

TEST_CASE("a request of a failed engine starts anew elsewhere after a pause", "[sim][failures]") {
  // An answer of 100 tokens takes about 100 ms. Its engine breaks at 50 ms.
  SmallTrace trace;
  trace.ask(at_ms(0), 100, 100);
  Cluster cluster = cluster_of(2);
  const Result whole = run(trace, cluster);
  const std::int32_t first = whole.requests[0].engine;
  breaks(cluster, "engine", "engine" + std::to_string(first), 50, 1000);
  const Result result = run(trace, cluster);
  const RequestResult& r = result.requests[0];
  CHECK(r.outcome == Outcome::kFinished);
  CHECK(r.retries == 1);
  CHECK(r.engine != first);
  const Duration alone = whole.requests[0].end - whole.requests[0].arrival;
  CHECK(r.end - r.scheduled == alone);
  CHECK(r.scheduled >= at_ms(60));  // the step it was in, and the pause
  CHECK(r.scheduled <= at_ms(62));
  REQUIRE(result.failures.size() == 1);
  CHECK(result.failures[0].requests == 1);
  CHECK(result.engines[static_cast<std::size_t>(first)].down_ns > 0);
}

TEST_CASE("a request that fails too often has failed", "[sim][failures]") {
  SmallTrace trace;
  trace.ask(at_ms(0), 100, 100);
  Cluster cluster = cluster_of(1);
  cluster.failures.retries = 2;
  breaks(cluster, "engine", "engine0", 50, 0);  // for ever
  const Result result = run(trace, cluster);
  CHECK(result.requests[0].outcome == Outcome::kFailed);
  CHECK(result.requests[0].retries == 2);
  // Pauses of 10 and 20 ms, and nobody there after either.
  CHECK(result.requests[0].end >= at_ms(80));
  CHECK(result.requests[0].end <= at_ms(82));
}

TEST_CASE("a deadline passes while a request waits for its next start", "[sim][failures]") {
  SmallTrace trace;
  trace.ask(at_ms(0), 100, 100).cancel_after = for_ms(70);
  Cluster cluster = cluster_of(1, for_ms(1000));
  breaks(cluster, "engine", "engine0", 50, 0);
  const Result result = run(trace, cluster);
  CHECK(result.requests[0].outcome == Outcome::kCancelled);
  CHECK(result.requests[0].end == at_ms(70));
}

TEST_CASE("the prefix cache of a failed engine is empty when it works again", "[sim][failures]") {
  SmallTrace trace;
  const ContentId document = trace.content(320);
  const std::vector<Span> prompt = {{document, Tokens(0), Tokens(320)}};
  trace.ask(at_ms(0), prompt, 2);
  trace.ask(at_ms(100), prompt, 2);
  trace.ask(at_ms(300), prompt, 2);
  Cluster cluster = cluster_of(1);
  cluster.pools[0].knobs.block_tokens = 16;
  breaks(cluster, "engine", "engine0", 200, 50);
  const Result result = run(trace, cluster);
  CHECK(result.requests[1].found_tokens == 304);  // all but the block of the last token
  CHECK(result.requests[2].found_tokens == 0);
  REQUIRE(result.failures.size() == 1);
  // The document's 20 blocks, and the last of them once more: its last token was computed again.
  CHECK(result.failures[0].lost_tokens == 320 + 16);
  CHECK(result.engines[0].down_ns == for_ms(50).ns());
  CHECK(result.engines[0].lost_tokens == result.failures[0].lost_tokens);
}

TEST_CASE("a failed tier loses exactly its bytes, those being read once they have been read",
          "[sim][failures]") {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    Rng rng(seed, "test.tier_failure");
    sim::TokenPaths paths;
    sim::KvStore store({.block_tokens = 4, .tail = rng.chance(0.5)}, paths, nullptr);
    sim::TierOptions options;
    options.capacity = between(rng, 10, 300);
    options.eviction = *sim::find_eviction("lru", {});
    const sim::TierId tier = store.add_tier(options);
    std::vector<std::pair<sim::PathId, std::int64_t>> prompts;
    for (std::uint64_t i = 0; i < 30; ++i) {
      const std::vector<Span> prompt = random_spans(rng, 4, 40);
      std::int64_t tokens = 0;
      for (const Span& span : prompt) tokens += span.count.value();
      prompts.emplace_back(paths.make(prompt, {}, 0, 0), tokens);
      store.look_up(prompts.back().first, tokens);
      store.serve(tier, {at_ms(static_cast<std::int64_t>(i)), 0, i}, 1);
    }
    std::int64_t pinned = 0;
    const auto [path, tokens] = prompts.back();
    if (rng.chance(0.5)) {
      store.look_up(path, tokens);
      pinned = store.leading(tier, 0);
      store.pin(tier, 0, pinned);
    }
    sim::Tier& broken = store.tier(tier);
    const std::int64_t used = broken.used();
    REQUIRE(used > 0);
    broken.lose(at_ms(100));
    store.check_everything();
    REQUIRE(broken.used() == pinned);
    REQUIRE(broken.losing() == (pinned > 0));
    REQUIRE(broken.statistics().lost_bytes == used - pinned);
    if (pinned > 0) {
      store.look_up(path, tokens);
      store.unpin(tier, 0, pinned);
      broken.lose_rest(at_ms(101));
    }
    store.check_everything();
    REQUIRE(broken.used() == 0);
    REQUIRE(broken.statistics().lost_bytes == used);
    for (const auto& [lost, length] : prompts) {
      store.look_up(lost, length);
      REQUIRE(store.leading(tier, 0) == 0);
    }
  }
}

std::int64_t sum(const PerStage<std::int64_t>& stages) {
  return std::accumulate(stages.begin(), stages.end(), std::int64_t{0});
}

TEST_CASE("whatever breaks, every request ends once, and all ledgers add up",
          "[sim][failures][law]") {
  int failed = 0, retried = 0, failures = 0;
  std::int64_t lost_bytes = 0;
  for (std::uint64_t trial = 0; trial < 80; ++trial) {
    Rng rng(trial, "test.failures");
    Cluster cluster = random_cluster(rng);
    const SmallTrace trace = random_trace(rng, {});
    const Result before = run(trace, cluster);
    cluster.failures.retries = static_cast<int>(rng.below(4));
    cluster.failures.backoff = for_ms(between(rng, 1, 50));
    for (const char* what : {"engine", "node", "tier"}) {
      if (std::string(what) == "tier" && cluster.store.tiers.empty()) continue;
      if (rng.chance(0.6))
        cluster.failures.rates.push_back(
            {what, for_ms(between(rng, 50, 900)), for_ms(between(rng, 1, 200))});
    }
    CAPTURE(trial, cluster.router);
    const Result result = run(trace, cluster);
    std::set<std::uint64_t> seen;
    for (const RequestResult& r : result.requests) {
      REQUIRE(seen.insert(r.request).second);
      REQUIRE(r.retries <= cluster.failures.retries);
      if (r.outcome == Outcome::kFailed) REQUIRE(r.retries == cluster.failures.retries);
      if (r.outcome != Outcome::kRefused) REQUIRE(sum(r.stage_ns) == (r.end - r.arrival).ns());
      if (r.outcome == Outcome::kFinished) {
        REQUIRE(r.arrival <= r.scheduled);
        REQUIRE(r.scheduled < r.first_token);
        REQUIRE(r.first_token <= r.end);
      }
      failed += r.outcome == Outcome::kFailed ? 1 : 0;
      retried += r.retries > 0 ? 1 : 0;
    }
    REQUIRE(seen.size() == trace.requests().size());
    std::int64_t lost_tokens = 0;
    for (const EngineResult& engine : result.engines) {
      REQUIRE(sum(engine.stage_ns) + engine.idle_ns + engine.down_ns == result.end.ns());
      lost_tokens += engine.lost_tokens;
    }
    for (const TierResult& tier : result.tiers) lost_bytes += tier.lost_bytes;
    for (const FailureResult& failure : result.failures) {
      lost_tokens -= failure.lost_tokens;
      REQUIRE(failure.begin <= failure.end);
    }
    REQUIRE(lost_tokens == 0);
    failures += static_cast<int>(result.failures.size());
    if (result.failures.empty()) {  // what could break and did not changed nothing
      for (std::size_t i = 0; i < result.requests.size(); ++i)
        REQUIRE(result.requests[i].end == before.requests[i].end);
    }
  }
  CHECK(failures > 300);
  CHECK(retried > 300);
  CHECK(failed > 50);
  CHECK(lost_bytes > 0);
}

TEST_CASE("a failure of what is not there is told with what is", "[sim][failures]") {
  const auto error_of = [](const std::string& yaml) {
    proto::ClusterConfig config;
    const auto read = read_yaml_text(yaml, "c.yaml", config);
    if (!read) return read.error().message;
    const auto cluster = sim::resolve_cluster(config);
    return cluster ? std::string("no error") : cluster.error().message;
  };
  CHECK_THAT(error_of("failures: {events: [{what: engine, which: engine9, at: 1 s}]}"),
             Catch::Contains("failures.events[0].which") && Catch::Contains("engine9"));
  CHECK_THAT(error_of("failures: {rates: [{what: tier, mtbf: 1 h, mttr: 1 min}]}"),
             Catch::Contains("failures.rates[0].what: the cluster has no tier"));
  CHECK_THAT(error_of("failures: {events: [{what: link, which: x, at: 1 s}]}"),
             Catch::Contains("engine, node"));
  CHECK(error_of("failures: {events: [{what: node, which: node0, at: 1 s, for: 1 min}]}") ==
        "no error");
}

}  // namespace
}  // namespace scsim::test
