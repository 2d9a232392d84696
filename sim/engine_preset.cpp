#include "sim/engine_preset.h"

#include "traces/proto/cluster.pb.h"
#include "traces/text.h"

namespace scsim::sim {
namespace {

constexpr std::pair<const char*, EngineKnobs::Order> kOrders[] = {
    {"fcfs", EngineKnobs::Order::kFirstCome},
    {"priority", EngineKnobs::Order::kPriority},
    {"edf", EngineKnobs::Order::kDeadline},
    {"wfq", EngineKnobs::Order::kFair}};

EnginePreset vllm() {
  EnginePreset preset;
  preset.name = "vllm";
  preset.version = "0.33.0";
  preset.sentence =
      "vLLM's V1 scheduler: decodes and prefill chunks in one step, blocks shared in the step that "
      "computes them";
  preset.source =
      "vLLM 0.33.0, V1 scheduler and KV cache manager; defaults of its API server on GPUs of 70 "
      "GiB to 160 GiB "
      "(max_num_batched_tokens 8192, max_num_seqs 1024, block_size 16, gpu_memory_utilization "
      "0.92). "
      "Scheduling is synchronous, as recorded";
  preset.verified = true;
  EngineKnobs& knobs = preset.knobs;
  knobs.block_tokens = 16;
  knobs.max_batched_tokens = 8192;
  knobs.max_sequences = 1024;
  knobs.gpu_memory_utilization = 0.92;
  // Assumed, not measured. Leaving the host out is what broke the predictions of others
  // (inference-sim PR 480, aisimulate issue 277); calibration replaces these two.
  knobs.step_overhead_s = 2e-3;
  knobs.request_overhead_s = 2e-5;
  return preset;
}

EnginePreset sglang() {
  EnginePreset preset = vllm();
  preset.name = "sglang";
  preset.version = "0.5";
  preset.sentence =
      "SGLang: prefill in steps of its own that go first, radix cache of single tokens, output "
      "partly reserved";
  preset.source =
      "SGLang server arguments (chunked_prefill_size 8192, page_size 1, schedule_conservativeness "
      "1.0: "
      "new-token ratio 0.7 at admission); its decay with time is left out";
  preset.verified = false;
  EngineKnobs& knobs = preset.knobs;
  knobs.block_tokens = 1;
  knobs.max_batched_tokens = 8192;
  knobs.max_sequences = 2048;
  knobs.batching = EngineKnobs::Batching::kPrefillFirst;
  knobs.reserve_output = 0.7;
  knobs.visible = EngineKnobs::Visible::kComputed;
  knobs.share_duplicates = true;
  knobs.gpu_memory_utilization = 0.88;
  return preset;
}

EnginePreset trtllm() {
  EnginePreset preset = vllm();
  preset.name = "trtllm";
  preset.version = "1.0";
  preset.sentence =
      "TensorRT-LLM: in-flight batching, whole prompts, room for max_tokens reserved so that "
      "nothing is preempted";
  preset.source =
      "TensorRT-LLM LLM API: capacity scheduler GUARANTEED_NO_EVICT, tokens_per_block 32, "
      "max_num_tokens 8192, "
      "max_batch_size 2048, free_gpu_memory_fraction 0.9; chunked context on, as long contexts "
      "need";
  preset.verified = false;
  EngineKnobs& knobs = preset.knobs;
  knobs.block_tokens = 32;
  knobs.max_batched_tokens = 8192;
  knobs.max_sequences = 2048;
  knobs.reserve_output = 1.0;
  knobs.visible = EngineKnobs::Visible::kComputed;
  knobs.gpu_memory_utilization = 0.9;
  return preset;
}

}  // namespace

const std::vector<EnginePreset>& engine_presets() {
  static const std::vector<EnginePreset> presets = {vllm(), sglang(), trtllm()};
  return presets;
}

Expected<EnginePreset> find_engine_preset(const std::string& name) {
  std::vector<std::string> names;
  for (const EnginePreset& preset : engine_presets()) {
    if (preset.name == name) return preset;
    names.push_back(preset.name);
  }
  return Error{unknown_name("engine preset", name, names)};
}

Expected<EngineKnobs> resolve_knobs(const proto::EngineConfig& config) {
  Expected<EnginePreset> preset = find_engine_preset(config.preset());
  if (!preset) return Error{"engine.preset: " + preset.error().message};
  EngineKnobs knobs = preset->knobs;
  const auto integer = [](std::uint64_t value) { return static_cast<std::int64_t>(value); };
  if (config.has_block_tokens()) knobs.block_tokens = integer(config.block_tokens());
  if (config.has_max_batched_tokens())
    knobs.max_batched_tokens = integer(config.max_batched_tokens());
  if (config.has_max_sequences()) knobs.max_sequences = integer(config.max_sequences());
  if (config.has_max_model_len()) knobs.max_model_len = integer(config.max_model_len());
  if (config.has_order()) {
    for (const auto& [name, order] : kOrders)
      if (config.order() == name) knobs.order = order;
  }
  if (config.has_batching()) {
    knobs.batching = config.batching() == "mixed" ? EngineKnobs::Batching::kMixed
                                                  : EngineKnobs::Batching::kPrefillFirst;
  }
  if (config.has_chunked_prefill()) knobs.chunked_prefill = config.chunked_prefill();
  if (config.has_long_prefill_threshold())
    knobs.long_prefill_threshold = integer(config.long_prefill_threshold());
  if (config.has_prefill_interval())
    knobs.prefill_interval = std::max<std::int64_t>(integer(config.prefill_interval()), 1);
  if (config.has_watermark()) knobs.watermark = config.watermark();
  if (config.has_reserve_full_prompt()) knobs.reserve_full_prompt = config.reserve_full_prompt();
  if (config.has_reserve_output()) knobs.reserve_output = config.reserve_output();
  if (config.has_prefix_caching()) knobs.prefix_caching = config.prefix_caching();
  if (config.has_cache_outputs()) knobs.cache_outputs = config.cache_outputs();
  if (config.has_block_visible()) {
    knobs.visible = config.block_visible() == "scheduled"  ? EngineKnobs::Visible::kScheduled
                    : config.block_visible() == "computed" ? EngineKnobs::Visible::kComputed
                                                           : EngineKnobs::Visible::kFinished;
  }
  if (config.has_share_duplicates()) knobs.share_duplicates = config.share_duplicates();
  if (config.has_preemption()) {
    knobs.preemption = config.preemption() == "swap" ? EngineKnobs::Preemption::kSwap
                                                     : EngineKnobs::Preemption::kRecompute;
  }
  if (config.has_loads()) {
    knobs.loads = config.loads() == "blocking" ? EngineKnobs::Loads::kBlocking
                                               : EngineKnobs::Loads::kOverlapped;
  }
  if (config.has_gpu_memory_utilization())
    knobs.gpu_memory_utilization = config.gpu_memory_utilization();
  if (config.has_step_overhead_s()) knobs.step_overhead_s = config.step_overhead_s();
  if (config.has_request_overhead_s()) knobs.request_overhead_s = config.request_overhead_s();
  if (knobs.max_batched_tokens < knobs.max_sequences &&
      knobs.batching == EngineKnobs::Batching::kMixed) {
    return Error{"engine.max_batched_tokens: " + format_integer(knobs.max_batched_tokens) +
                 " is below engine.max_sequences " + format_integer(knobs.max_sequences) +
                 "; every running request needs a token a step"};
  }
  return knobs;
}

proto::EngineConfig knobs_as_config(const std::string& preset, const EngineKnobs& knobs) {
  using Visible = EngineKnobs::Visible;
  const auto natural = [](std::int64_t value) { return static_cast<std::uint64_t>(value); };
  proto::EngineConfig config;
  config.set_preset(preset);
  config.set_block_tokens(natural(knobs.block_tokens));
  config.set_max_batched_tokens(natural(knobs.max_batched_tokens));
  config.set_max_sequences(natural(knobs.max_sequences));
  if (knobs.max_model_len > 0) config.set_max_model_len(natural(knobs.max_model_len));
  for (const auto& [name, order] : kOrders)
    if (knobs.order == order) config.set_order(name);
  config.set_batching(knobs.batching == EngineKnobs::Batching::kMixed ? "mixed" : "prefill_first");
  config.set_chunked_prefill(knobs.chunked_prefill);
  config.set_long_prefill_threshold(natural(knobs.long_prefill_threshold));
  config.set_prefill_interval(natural(knobs.prefill_interval));
  config.set_watermark(knobs.watermark);
  config.set_reserve_full_prompt(knobs.reserve_full_prompt);
  config.set_reserve_output(knobs.reserve_output);
  config.set_prefix_caching(knobs.prefix_caching);
  config.set_cache_outputs(knobs.cache_outputs);
  config.set_share_duplicates(knobs.share_duplicates);
  config.set_block_visible(knobs.visible == Visible::kScheduled  ? "scheduled"
                           : knobs.visible == Visible::kComputed ? "computed"
                                                                 : "finished");
  config.set_preemption(knobs.preemption == EngineKnobs::Preemption::kSwap ? "swap" : "recompute");
  config.set_loads(knobs.loads == EngineKnobs::Loads::kBlocking ? "blocking" : "overlapped");
  config.set_gpu_memory_utilization(knobs.gpu_memory_utilization);
  config.set_step_overhead_s(knobs.step_overhead_s);
  config.set_request_overhead_s(knobs.request_overhead_s);
  return config;
}

}  // namespace scsim::sim
