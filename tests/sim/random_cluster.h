// Small clusters of every kind: any preset, any router, memory scarce and not, views stale and not.
#pragma once

#include <cmath>

#include "tests/sim/small_cluster.h"

namespace scsim::test {

inline const LinearCost kSomeCost = {.step = 1.3e-3,
                                     .prefill_token = 7e-6,
                                     .prefill_pair = 1e-8,
                                     .decode_sequence = 3e-5,
                                     .context_token = 1e-6};

// Tiers of every kind, from too small to ample, over links from slow to quick.
inline sim::StoreSettings random_store(Rng& rng, const sim::Cluster& cluster) {
  using sim::TierSettings;
  sim::StoreSettings store;
  store.block_tokens = between(rng, 1, 24);
  store.tail = rng.chance(0.3);
  store.answers = rng.chance(0.7);
  store.fetch =
      rng.chance(0.5) ? sim::StoreSettings::Fetch::kAlways : sim::StoreSettings::Fetch::kCheaper;
  const double block =
      static_cast<double>(store.block_tokens) * cluster.pools[0].model.cache_per_token(16).value();
  const auto bandwidth = [&] { return block * std::exp2(static_cast<double>(rng.below(16))); };
  store.pcie_bytes_per_second = bandwidth();
  store.nic_bytes_per_second = bandwidth();
  store.pcie_latency = Duration(between(rng, 0, 100'000));
  store.nic_latency = Duration(between(rng, 0, 100'000));
  const std::uint64_t tiers = 1 + rng.below(3);
  for (std::uint64_t i = 0; i < tiers; ++i) {
    TierSettings tier;
    tier.name = tier.medium = "tier" + std::to_string(i);
    tier.scope = static_cast<TierSettings::Scope>(rng.below(3));
    tier.capacity = static_cast<std::int64_t>(block * static_cast<double>(between(rng, 1, 200)));
    tier.read_bytes_per_second = bandwidth();
    tier.write_bytes_per_second = bandwidth();
    tier.latency = Duration(between(rng, 0, 1'000'000));
    const auto& table = sim::eviction_table();
    do {
      tier.eviction = *sim::find_eviction(table[rng.below(table.size())].name, {});
    } while (tier.eviction.entry->oracle);
    tier.write_back = rng.chance(0.4);
    tier.exclusive = rng.chance(0.4);
    tier.used_again = rng.chance(0.2);
    tier.promote = rng.chance(0.4);
    tier.prefetch = rng.chance(0.3);
    if (rng.chance(0.3)) tier.ttl = for_ms(between(rng, 1, 500));
    if (rng.chance(0.3)) tier.codec = {"half", 0.5, bandwidth(), bandwidth(), rng.chance(0.5)};
    store.tiers.push_back(tier);
  }
  return store;
}

inline sim::Cluster random_cluster(Rng& rng) {
  using sim::EngineKnobs;
  EngineKnobs knobs = sim::engine_presets()[rng.below(sim::engine_presets().size())].knobs;
  knobs.block_tokens = between(rng, 1, 16);
  knobs.max_sequences = between(rng, 1, 20);
  knobs.max_batched_tokens = std::max<std::int64_t>(knobs.max_sequences, between(rng, 8, 500));
  if (rng.chance(0.3)) knobs.order = EngineKnobs::Order::kPriority;
  if (rng.chance(0.3)) knobs.preemption = EngineKnobs::Preemption::kSwap;
  if (rng.chance(0.3)) knobs.loads = EngineKnobs::Loads::kBlocking;
  const std::int64_t tokens = rng.chance(0.5) ? 700 : 20'000;
  sim::Cluster cluster = small_cluster(kSomeCost, knobs, tokens / knobs.block_tokens + 1,
                                       static_cast<int>(between(rng, 1, 4)));
  cluster.router = sim::router_table()[rng.below(sim::router_table().size())].name;
  if (rng.chance(0.5)) cluster.staleness = for_ms(between(rng, 1, 50));
  if (rng.chance(0.3)) cluster.request_timeout = for_ms(between(rng, 20, 400));
  cluster.seed = rng.next();
  if (rng.chance(0.6)) {
    for (sim::Pool& pool : cluster.pools)
      pool.model.layers = {{.count = 1, .kv_heads = 2, .head_dim = 8}};
    cluster.store = random_store(rng, cluster);
  }
  return cluster;
}

}  // namespace scsim::test
