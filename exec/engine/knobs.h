// How the engine schedules: the keys of `engine:` in a cluster file, under their names there, so
// that one description serves the simulator and this engine.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "traces/expected.h"

namespace scsim::proto {
class EngineConfig;
}

namespace scsim::exec {

struct EngineKnobs {
  enum class Order { kFirstCome, kPriority };
  enum class Visible { kScheduled, kComputed };  // when others can find a block

  std::int64_t block_tokens = 16;
  std::int64_t num_blocks = 0;  // usable ones; 0: whoever makes the engine says
  std::int64_t max_batched_tokens = 512;
  std::int64_t max_sequences = 32;
  std::int64_t max_model_len = 0;  // 0: what the model allows
  Order order = Order::kFirstCome;
  bool chunked_prefill = true;
  std::int64_t long_prefill_threshold = 0;
  std::int64_t prefill_interval = 1;
  double watermark = 0;
  bool reserve_full_prompt = true;
  bool prefix_caching = true;
  bool cache_outputs = true;
  Visible visible = Visible::kScheduled;
};

// The defaults with the configuration's values; the error names a key that asks for what this
// engine does not do.
Expected<EngineKnobs> engine_knobs(const proto::EngineConfig& config);

// From a YAML file of those keys (none: ""), and settings of single ones: "max_sequences=64".
Expected<EngineKnobs> read_knobs(const std::string& path, std::span<const std::string> settings);

// Every knob as the configuration's key would set it, and as YAML, for reports.
proto::EngineConfig knobs_as_config(const EngineKnobs& knobs);
std::string knobs_text(const EngineKnobs& knobs);

}  // namespace scsim::exec
