// Engines that wait for the blocks they load and write back: the seconds are those the bytes take,
// and what is found is what others find who have all the time in the world.
#include <catch2/catch.hpp>

#include "tests/sim/store/random_prompts.h"

namespace scsim::sim {
namespace {

using test::SmallTrace;

TierSettings written_back(const std::string& name, std::int64_t capacity, double read,
                          double write) {
  TierSettings tier;
  tier.name = tier.medium = name;
  tier.scope = TierSettings::Scope::kEngine;
  tier.capacity = capacity;
  tier.read_bytes_per_second = read;
  tier.write_bytes_per_second = write;
  tier.eviction = *find_eviction("lru", {});
  tier.write_back = true;
  tier.promote = name == "host";
  return tier;
}

Cluster waiting_cluster(EngineKnobs::Loads loads, std::int64_t num_blocks, std::int64_t block) {
  EngineKnobs knobs;
  knobs.block_tokens = block;
  knobs.loads = loads;
  Cluster cluster = test::small_cluster(test::kSomeCost, knobs, num_blocks);
  cluster.pools[0].model.layers = {{.count = 1, .kv_heads = 1, .head_dim = 3}};
  cluster.store.block_tokens = block;
  cluster.store.answers = false;
  cluster.store.fetch = StoreSettings::Fetch::kAlways;
  cluster.store.pcie_bytes_per_second = 1e18;
  return cluster;
}

std::int64_t token_bytes(const Cluster& cluster) {
  const Pool& pool = cluster.pools[0];
  return static_cast<std::int64_t>(pool.model.cache_per_token(pool.precision.cache_bits).value());
}

std::int64_t retrieval_ns(const Result& result) {
  return result.engines[0].stage_ns[static_cast<std::size_t>(Stage::kRetrieval)];
}

}  // namespace

TEST_CASE("an engine whose loads block stands still for as long as its bytes take to come and go",
          "[sim][store]") {
  SmallTrace trace;
  const ContentId document = trace.content(100);
  const auto ask = [&](std::int64_t at, std::int64_t answer) {
    const ContentId question = trace.content(5);
    trace.ask(test::at_ms(at),
              {{document, Tokens(0), Tokens(100)}, {question, Tokens(0), Tokens(5)}}, answer);
  };
  ask(0, 1);
  trace.ask(test::at_ms(1000), 430, 1);   // pushes all of the document out
  trace.ask(test::at_ms(9000), 20, 150);  // decodes while the document comes back
  ask(9050, 1);
  trace.ask(test::at_ms(60'000), 5, 1);  // waits for what the last decode steps pushed out
  Cluster cluster = waiting_cluster(EngineKnobs::Loads::kBlocking, 45, 10);
  const auto bytes = static_cast<double>(token_bytes(cluster));
  // A block comes in 10 ms and goes in 40.
  cluster.store.tiers = {written_back("host", 1 << 30, 1000 * bytes, 250 * bytes)};
  SECTION("without room everything leaves") { cluster.pools[0].num_blocks = 44; }
  SECTION("and with a little more some of it") { cluster.pools[0].num_blocks = 50; }
  const Result result = test::run(trace, cluster);
  const TierResult& host = result.tiers[0];
  const std::int64_t fetched = result.fetches[3].tokens[0];
  CHECK(result.requests[3].found_tokens + fetched == 100);
  REQUIRE(fetched > 0);
  CHECK(host.fetched_bytes == fetched * token_bytes(cluster));
  const double seconds = static_cast<double>(host.fetched_bytes) / (1000 * bytes) +
                         static_cast<double>(host.stored_bytes) / (250 * bytes);
  CHECK(static_cast<double>(retrieval_ns(result)) * 1e-9 == Approx(seconds).epsilon(1e-6));
  // It is in the time of who asked, and of who decodes beside.
  const double waits = static_cast<double>(fetched) * 1e-3;
  CHECK((result.requests[3].first_token - result.requests[3].arrival).seconds().value() > waits);
  CHECK(static_cast<double>(result.gaps.worst_ns) * 1e-9 > waits);
  CHECK(static_cast<double>(result.fetches[3].wait_ns) * 1e-9 == Approx(waits));
}

TEST_CASE("one request at a time finds about as much where loads block as where they do not",
          "[sim][store]") {
  // Not to the token: what makes room for a load leaves behind it here, ahead of it there.
  std::int64_t fetched = 0, from_disk = 0;
  std::pair<double, double> found{};
  for (std::uint64_t trial = 0; trial < 30; ++trial) {
    Rng rng(trial, "test.blocking_loads");
    SmallTrace trace = test::random_prompts(rng, 80);
    for (std::size_t i = 0; i < trace.requests().size(); ++i) {
      trace.requests()[i].arrival = trace.requests()[i].earliest =
          TimePoint(static_cast<std::int64_t>(i) * 1000 * 1'000'000'000);
    }
    const std::int64_t block = 1;  // an engine that waits loads whole blocks of its own only
    const std::int64_t blocks = 200 + test::between(rng, 0, 40);
    const std::int64_t host = test::between(rng, 1, 80), disk = test::between(rng, 1, 200);
    CAPTURE(trial, block, blocks, host, disk);
    for (const auto loads : {EngineKnobs::Loads::kBlocking, EngineKnobs::Loads::kOverlapped}) {
      Cluster cluster = waiting_cluster(loads, blocks, block);
      const std::int64_t bytes = token_bytes(cluster) * block;
      cluster.store.tiers = {written_back("host", host * bytes, 1e9, 1e9),
                             written_back("disk", disk * bytes, 1e8, 1e8)};
      const Result result = test::run(trace, cluster);
      double& all = loads == EngineKnobs::Loads::kBlocking ? found.first : found.second;
      for (std::size_t i = 0; i < result.requests.size(); ++i) {
        const auto& tokens = result.fetches[i].tokens;
        all += static_cast<double>(result.requests[i].found_tokens + tokens[0] + tokens[1]);
        fetched += tokens[0];
        from_disk += tokens[1];
      }
    }
  }
  CHECK(found.first == Approx(found.second).epsilon(0.02));
  CHECK(fetched > 2000);
  CHECK(from_disk > 1000);
}

}  // namespace scsim::sim
