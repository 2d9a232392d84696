#include "exec/engine/tier_sweep.h"

#include "traces/check.h"
#include "traces/rng.h"

namespace scsim::exec {

Expected<std::vector<TierSample>> measure_tier(Engine& engine, std::int64_t blocks, int rounds,
                                               std::uint64_t seed) {
  SCSIM_CHECK(engine.store() != nullptr);
  const std::int64_t room = engine.pool().num_blocks();
  SCSIM_CHECK(blocks >= 1 && blocks < room);
  const std::int64_t prompt_tokens = blocks * engine.scheduler().knobs().block_tokens + 1;
  Rng rng(seed, "exec.tiers.tokens");
  const auto vocabulary = static_cast<std::uint64_t>(engine.model().config().vocabulary);
  std::vector<std::vector<std::int32_t>> prompts(static_cast<std::size_t>(room / blocks + 2));
  for (auto& prompt : prompts) {
    for (std::int64_t i = 0; i < prompt_tokens; ++i)
      prompt.push_back(static_cast<std::int32_t>(rng.below(vocabulary)));
  }
  const auto stored = [&] {
    return (engine.store()->use(BlockStore::Tier::kHost).stored +
            engine.store()->use(BlockStore::Tier::kDisk).stored) /
           engine.block_bytes();
  };
  std::vector<TierSample> samples;
  for (int round = 0; round < rounds + 2; ++round) {
    for (const auto& prompt : prompts) {
      const std::int64_t before = stored();
      engine.submit({.tag = 0, .prompt = prompt, .output_tokens = 1});
      std::int64_t loaded = 0;
      double seconds = 0;
      while (true) {
        const Expected<bool> ran = engine.step();
        if (!ran) return ran.error();
        if (!*ran) break;
        const StepRecord& step = engine.record();
        seconds += step.times.seconds[static_cast<std::size_t>(Stage::kRetrieval)];
        for (const StepRecord::Admitted& one : step.admitted)
          loaded += (one.loaded[0] + one.loaded[1]) / engine.scheduler().knobs().block_tokens;
      }
      const std::int64_t written = stored() - before;
      if ((written > 0) != (loaded > 0))
        samples.push_back({std::max(written, loaded), written > 0, seconds});
    }
  }
  return samples;
}

}  // namespace scsim::exec
