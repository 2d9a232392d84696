#include "exec/engine/knobs.h"

#include <algorithm>
#include <string>

#include "traces/proto/cluster.pb.h"
#include "traces/text.h"
#include "traces/yaml_message.h"

namespace scsim::exec {
namespace {

// What a cluster file can say and this engine does not do.
std::string refused(const proto::EngineConfig& config) {
  if (!config.preset().empty() && config.preset() != "vllm")
    return "preset: this engine schedules as vllm's V1 does, not as " + config.preset();
  if (config.batching() == "prefill_first") return "batching: only mixed is done";
  if (config.preemption() == "swap") return "preemption: only recompute is done";
  if (config.loads() == "overlapped") return "loads: this engine waits for them, blocking";
  if (config.block_visible() == "finished")
    return "block_visible: only scheduled and computed are done";
  if (config.reserve_output() > 0) return "reserve_output: nothing is reserved for answers";
  if (config.share_duplicates()) return "share_duplicates: every request keeps what it computed";
  if (config.has_gpu_memory_utilization())
    return "gpu_memory_utilization: memory is given as num_blocks";
  if (config.has_step_overhead_s() || config.has_request_overhead_s())
    return "step_overhead and request_overhead: here they are what they are";
  return "";
}

}  // namespace

Expected<EngineKnobs> engine_knobs(const proto::EngineConfig& config) {
  if (const std::string reason = refused(config); !reason.empty()) return Error{"engine." + reason};
  EngineKnobs knobs;
  const auto integer = [](std::uint64_t value) { return static_cast<std::int64_t>(value); };
  if (config.has_block_tokens()) knobs.block_tokens = integer(config.block_tokens());
  if (config.has_num_blocks()) knobs.num_blocks = integer(config.num_blocks());
  if (config.has_max_batched_tokens())
    knobs.max_batched_tokens = integer(config.max_batched_tokens());
  if (config.has_max_sequences()) knobs.max_sequences = integer(config.max_sequences());
  if (config.has_max_model_len()) knobs.max_model_len = integer(config.max_model_len());
  if (config.order() == "priority") knobs.order = EngineKnobs::Order::kPriority;
  if (config.has_chunked_prefill()) knobs.chunked_prefill = config.chunked_prefill();
  if (config.has_long_prefill_threshold())
    knobs.long_prefill_threshold = integer(config.long_prefill_threshold());
  if (config.has_prefill_interval())
    knobs.prefill_interval = std::max<std::int64_t>(integer(config.prefill_interval()), 1);
  if (config.has_watermark()) knobs.watermark = config.watermark();
  if (config.has_reserve_full_prompt()) knobs.reserve_full_prompt = config.reserve_full_prompt();
  if (config.has_prefix_caching()) knobs.prefix_caching = config.prefix_caching();
  if (config.has_cache_outputs()) knobs.cache_outputs = config.cache_outputs();
  if (config.block_visible() == "computed") knobs.visible = EngineKnobs::Visible::kComputed;
  if (knobs.max_batched_tokens < knobs.max_sequences) {
    return Error{"engine.max_batched_tokens: " + format_integer(knobs.max_batched_tokens) +
                 " is below engine.max_sequences " + format_integer(knobs.max_sequences) +
                 "; every running request needs a token a step"};
  }
  return knobs;
}

Expected<EngineKnobs> read_knobs(const std::string& path, std::span<const std::string> settings) {
  proto::EngineConfig config;
  if (!path.empty()) {
    if (const auto read = read_yaml_file(path, config); !read) return read.error();
  }
  for (const std::string& setting : settings) {
    if (const auto set = set_yaml_key(setting, config); !set) return set.error();
  }
  return engine_knobs(config);
}

std::string knobs_text(const EngineKnobs& knobs) { return write_yaml(knobs_as_config(knobs)); }

proto::EngineConfig knobs_as_config(const EngineKnobs& knobs) {
  const auto natural = [](std::int64_t value) { return static_cast<std::uint64_t>(value); };
  proto::EngineConfig config;
  config.set_preset("vllm");
  config.set_block_tokens(natural(knobs.block_tokens));
  config.set_max_batched_tokens(natural(knobs.max_batched_tokens));
  config.set_max_sequences(natural(knobs.max_sequences));
  if (knobs.max_model_len > 0) config.set_max_model_len(natural(knobs.max_model_len));
  config.set_order(knobs.order == EngineKnobs::Order::kPriority ? "priority" : "fcfs");
  config.set_batching("mixed");
  config.set_chunked_prefill(knobs.chunked_prefill);
  config.set_long_prefill_threshold(natural(knobs.long_prefill_threshold));
  config.set_prefill_interval(natural(knobs.prefill_interval));
  config.set_watermark(knobs.watermark);
  config.set_reserve_full_prompt(knobs.reserve_full_prompt);
  config.set_prefix_caching(knobs.prefix_caching);
  config.set_cache_outputs(knobs.cache_outputs);
  config.set_block_visible(knobs.visible == EngineKnobs::Visible::kScheduled ? "scheduled"
                                                                             : "computed");
  config.set_preemption("recompute");
  config.set_loads("blocking");
  if (knobs.num_blocks > 0) config.set_num_blocks(natural(knobs.num_blocks));
  return config;
}

}  // namespace scsim::exec
