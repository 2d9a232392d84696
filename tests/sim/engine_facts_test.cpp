// What routers are told of engines and tiers against the cost models and the configuration.
#include "sim/engine_facts.h"

#include <catch2/catch.hpp>

#include "cost_models/step_cost.h"
#include "sim/store/tiered_store.h"
#include "tests/sim/random_cluster.h"
#include "traces/proto/cluster.pb.h"

namespace scsim::sim {
namespace {

EngineSettings settings_of(const Pool& pool) {
  EngineSettings settings;
  settings.knobs = pool.knobs;
  settings.num_blocks = pool.num_blocks;
  settings.cost_model = pool.cost_model.get();
  return settings;
}

TEST_CASE("the facts of an engine whose cost is a sum of terms are those terms", "[sim][facts]") {
  const Pool pool = test::small_pool(test::kSomeCost, {}, 1000);
  const EngineFacts facts = engine_facts(settings_of(pool));
  CHECK(facts.pair == Approx(1e-8));
  // A step's fixed cost is spread over the tokens of a full one.
  CHECK(facts.token == Approx(7e-6 + 1.3e-3 / 8192));
  CHECK(facts.step == Approx(1.3e-3 + 7e-6 + 1e-8));
  CHECK(facts.decode_sequence == Approx(3e-5));
  CHECK(facts.decode_context_token == Approx(1e-6));
}

TEST_CASE(
    "the facts of a real engine give the cost of its prefills, chunk by chunk, within a tenth "
    "or 2 ms",
    "[sim][facts]") {
  const auto cluster = resolve_cluster(default_cluster_config());
  REQUIRE(cluster);
  const Pool& pool = cluster->pools[0];
  const EngineFacts facts = engine_facts(settings_of(pool));
  for (const std::int64_t cached : {0, 3000, 60'000}) {
    for (const std::int64_t fresh : {1, 100, 2000, 8192, 30'000}) {
      double exact = 0;
      for (std::int64_t done = 0; done < fresh; done += facts.step_tokens)
        exact += pool.knobs.step_overhead_s +
                 cost_models::prefill_seconds(*pool.cost_model, cached + done,
                                              std::min(facts.step_tokens, fresh - done));
      const auto n = static_cast<double>(fresh);
      const double estimate = std::max(facts.step, facts.token * n) +
                              attention_seconds(facts, static_cast<double>(cached), n);
      CAPTURE(cached, fresh, exact, estimate);
      // Reading what is cached for a few tokens more is left out of the estimate.
      CHECK(estimate == Approx(exact).epsilon(0.1).margin(0.002));
    }
  }
}

TEST_CASE("the facts of a tier are its slowest link, all latencies, and what can come to it",
          "[sim][facts]") {
  Cluster cluster = test::small_cluster(test::kSomeCost, {.block_tokens = 10}, 100, 4);
  Pool& pool = cluster.pools[0];
  pool.gpus_per_node = 2;
  pool.model.layers = {{.count = 1, .kv_heads = 2, .head_dim = 8}};
  const double bytes = pool.model.cache_per_token(pool.precision.cache_bits).value();
  cluster.store.pcie_bytes_per_second = 1000;
  cluster.store.pcie_latency = test::for_ms(1);
  cluster.store.nic_bytes_per_second = 300;
  cluster.store.nic_latency = test::for_ms(10);
  TierSettings dram, remote;
  dram.name = dram.medium = "dram";
  remote.name = remote.medium = "remote";
  dram.eviction = remote.eviction = *find_eviction("lru", {});
  dram.capacity = static_cast<std::int64_t>(bytes * 5000);
  dram.read_bytes_per_second = dram.write_bytes_per_second = 2000;
  remote.scope = TierSettings::Scope::kCluster;
  remote.capacity = static_cast<std::int64_t>(bytes * 9000);
  remote.read_bytes_per_second = 500;
  remote.write_bytes_per_second = 100;
  remote.latency = test::for_ms(100);
  remote.write_back = true;
  remote.codec = {"half", 0.5, 0, 4000, false};
  cluster.store.tiers = {dram, remote};

  TokenPaths paths;
  for (const bool dram_written_back : {false, true}) {
    cluster.store.tiers[0].write_back = dram_written_back;
    const auto fabric = Fabric::make(cluster);
    REQUIRE(fabric);
    const auto facts = TieredStore(cluster, paths, **fabric).facts();
    REQUIRE(facts.size() == 4);
    for (const std::vector<TierFacts>& of : facts) {
      REQUIRE(of.size() == 2);
      CHECK(of[0].seconds_per_token == Approx(bytes / 1000));  // PCIe
      CHECK(of[0].latency == Approx(0.001));
      // Two engines of 1,000 tokens write back to their node's.
      CHECK(of[0].tokens == (dram_written_back ? 7000 : 5000));
      CHECK(of[1].seconds_per_token == Approx(bytes * (0.5 / 300 + 1.0 / 4000)));  // NIC, decoding
      CHECK(of[1].latency == Approx(0.111));
      CHECK(of[1].tokens == 18'000 + 2 * of[0].tokens);  // both nodes' come to it
      CHECK(of[1].instance == facts[0][1].instance);
    }
    CHECK(facts[0][0].instance == facts[1][0].instance);
    CHECK(facts[0][0].instance != facts[2][0].instance);
    CHECK(facts[0][0].instance != facts[0][1].instance);
  }
}

}  // namespace
}  // namespace scsim::sim
