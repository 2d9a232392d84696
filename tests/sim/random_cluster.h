// Small clusters of every kind: any preset, any router, memory scarce and not, views stale and not.
#pragma once

#include "tests/sim/small_cluster.h"

namespace scsim::test {

inline const LinearCost kSomeCost = {.step = 1.3e-3,
                                     .prefill_token = 7e-6,
                                     .prefill_pair = 1e-8,
                                     .decode_sequence = 3e-5,
                                     .context_token = 1e-6};

inline sim::Cluster random_cluster(Rng& rng) {
  using sim::EngineKnobs;
  EngineKnobs knobs = sim::engine_presets()[rng.below(sim::engine_presets().size())].knobs;
  knobs.block_tokens = between(rng, 1, 16);
  knobs.max_sequences = between(rng, 1, 20);
  knobs.max_batched_tokens = std::max<std::int64_t>(knobs.max_sequences, between(rng, 8, 500));
  if (rng.chance(0.3)) knobs.order = EngineKnobs::Order::kPriority;
  if (rng.chance(0.3)) knobs.preemption = EngineKnobs::Preemption::kSwap;
  const std::int64_t tokens = rng.chance(0.5) ? 700 : 20'000;
  sim::Cluster cluster = small_cluster(kSomeCost, knobs, tokens / knobs.block_tokens + 1,
                                       static_cast<int>(between(rng, 1, 4)));
  cluster.router = sim::router_table()[rng.below(sim::router_table().size())].name;
  if (rng.chance(0.5)) cluster.staleness = for_ms(between(rng, 1, 50));
  if (rng.chance(0.3)) cluster.request_timeout = for_ms(between(rng, 20, 400));
  cluster.seed = rng.next();
  return cluster;
}

}  // namespace scsim::test
