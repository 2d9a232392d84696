// How an engine schedules: named knobs, and presets that set them as real engines do.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "traces/expected.h"

namespace scsim::proto {
class EngineConfig;
}

namespace scsim::sim {

struct EngineKnobs {
  enum class Order { kFirstCome, kPriority, kDeadline, kFair };
  // kMixed: prefill chunks ride in the same step as decodes. kPrefillFirst: a step is either
  // prefill or decode, and prefill goes first.
  enum class Batching { kMixed, kPrefillFirst };
  // When others can find a block: in the very step that computes it, after that step, or at the
  // end of its request.
  enum class Visible { kScheduled, kComputed, kFinished };
  enum class Preemption { kRecompute, kSwap };
  // Blocks move between the engine and the tiers below while it goes on, or it waits for them.
  enum class Loads { kOverlapped, kBlocking };

  std::int64_t block_tokens = 16;
  std::int64_t max_batched_tokens = 8192;
  std::int64_t max_sequences = 1024;
  std::int64_t max_model_len = 0;  // 0: what the model allows
  Order order = Order::kFirstCome;
  Batching batching = Batching::kMixed;
  bool chunked_prefill = true;
  std::int64_t long_prefill_threshold = 0;
  std::int64_t prefill_interval = 1;
  double watermark = 0;
  bool reserve_full_prompt = true;
  double reserve_output = 0;
  bool prefix_caching = true;
  bool cache_outputs = true;
  bool share_duplicates = false;  // a block that is there already replaces one's own copy of it
  Visible visible = Visible::kScheduled;
  Preemption preemption = Preemption::kRecompute;
  Loads loads = Loads::kOverlapped;
  double gpu_memory_utilization = 0.9;
  double step_overhead_s = 0, request_overhead_s = 0;
};

struct EnginePreset {
  std::string name, sentence, source;
  std::string version;    // of the engine whose behaviour it describes
  bool verified = false;  // recorded steps of the real engine back it (tests/sim/steps_test.cpp)
  EngineKnobs knobs;
};

const std::vector<EnginePreset>& engine_presets();
Expected<EnginePreset> find_engine_preset(const std::string& name);

// The preset with the configuration's overrides. Errors name the key.
Expected<EngineKnobs> resolve_knobs(const proto::EngineConfig& config);

// Every knob as the configuration's key would set it, for help and reports.
proto::EngineConfig knobs_as_config(const std::string& preset, const EngineKnobs& knobs);

}  // namespace scsim::sim
