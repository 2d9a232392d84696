#include "sim/engine_preset.h"

#include <catch2/catch.hpp>
#include <map>
#include <set>

#include "traces/proto/cluster.pb.h"
#include "traces/yaml_message.h"

namespace scsim::sim {
namespace {

using Catch::Contains;
using Values = std::map<std::string, double>;

Values values_of(const EngineKnobs& k) {
  return {{"block_tokens", k.block_tokens},
          {"max_batched_tokens", k.max_batched_tokens},
          {"max_sequences", k.max_sequences},
          {"max_model_len", k.max_model_len},
          {"order", static_cast<int>(k.order)},
          {"batching", static_cast<int>(k.batching)},
          {"chunked_prefill", k.chunked_prefill},
          {"long_prefill_threshold", k.long_prefill_threshold},
          {"prefill_interval", k.prefill_interval},
          {"watermark", k.watermark},
          {"reserve_full_prompt", k.reserve_full_prompt},
          {"reserve_output", k.reserve_output},
          {"prefix_caching", k.prefix_caching},
          {"cache_outputs", k.cache_outputs},
          {"share_duplicates", k.share_duplicates},
          {"block_visible", static_cast<int>(k.visible)},
          {"preemption", static_cast<int>(k.preemption)},
          {"gpu_memory_utilization", k.gpu_memory_utilization},
          {"step_overhead", k.step_overhead_s},
          {"request_overhead", k.request_overhead_s}};
}

proto::EngineConfig config_of(const std::string& preset, const std::string& override_text = "") {
  proto::EngineConfig config;
  config.set_preset(preset);
  if (!override_text.empty()) {
    const Expected<void> set = set_yaml_key(override_text, config);
    if (!set) FAIL(set.error().message);
  }
  return config;
}

TEST_CASE("a preset without overrides is the preset", "[sim][engine_preset]") {
  for (const EnginePreset& preset : engine_presets()) {
    const auto knobs = resolve_knobs(config_of(preset.name));
    REQUIRE(knobs);
    CHECK(values_of(*knobs) == values_of(preset.knobs));
  }
}

TEST_CASE("each key of an engine overrides its own knob and no other", "[sim][engine_preset]") {
  const std::vector<std::pair<std::string, double>> overrides = {
      {"block_tokens=48", 48},
      {"max_batched_tokens=4096", 4096},
      {"max_sequences=77", 77},
      {"max_model_len=5000", 5000},
      {"order=priority", static_cast<int>(EngineKnobs::Order::kPriority)},
      {"order=fcfs", static_cast<int>(EngineKnobs::Order::kFirstCome)},
      {"order=edf", static_cast<int>(EngineKnobs::Order::kDeadline)},
      {"order=wfq", static_cast<int>(EngineKnobs::Order::kFair)},
      {"batching=mixed", static_cast<int>(EngineKnobs::Batching::kMixed)},
      {"batching=prefill_first", static_cast<int>(EngineKnobs::Batching::kPrefillFirst)},
      {"chunked_prefill=false", 0},
      {"long_prefill_threshold=300", 300},
      {"prefill_interval=4", 4},
      {"prefill_interval=0", 1},  // as 1: every step
      {"watermark=0.25", 0.25},
      {"reserve_full_prompt=false", 0},
      {"reserve_output=0.5", 0.5},
      {"prefix_caching=false", 0},
      {"cache_outputs=false", 0},
      {"share_duplicates=true", 1},
      {"share_duplicates=false", 0},
      {"block_visible=scheduled", static_cast<int>(EngineKnobs::Visible::kScheduled)},
      {"block_visible=computed", static_cast<int>(EngineKnobs::Visible::kComputed)},
      {"block_visible=finished", static_cast<int>(EngineKnobs::Visible::kFinished)},
      {"preemption=recompute", static_cast<int>(EngineKnobs::Preemption::kRecompute)},
      {"preemption=swap", static_cast<int>(EngineKnobs::Preemption::kSwap)},
      {"gpu_memory_utilization=0.5", 0.5},
      {"step_overhead=3 ms", 0.003},
      {"request_overhead=10 us", 1e-5},
  };
  for (const EnginePreset& preset : engine_presets()) {
    for (const auto& [text, value] : overrides) {
      CAPTURE(preset.name, text);
      const auto knobs = resolve_knobs(config_of(preset.name, text));
      REQUIRE(knobs);
      Values expected = values_of(preset.knobs);
      expected[text.substr(0, text.find('='))] = value;
      REQUIRE(values_of(*knobs) == expected);
      // Written out in full, as a resolved cluster has them, they are the same again.
      const auto again = resolve_knobs(knobs_as_config(preset.name, *knobs));
      REQUIRE(again);
      REQUIRE(values_of(*again) == expected);
    }
  }
}

TEST_CASE("presets have a name, a sentence, a version and a source of their own",
          "[sim][engine_preset]") {
  std::set<std::string> names, sentences;
  for (const EnginePreset& preset : engine_presets()) {
    CAPTURE(preset.name);
    CHECK(names.insert(preset.name).second);
    CHECK(sentences.insert(preset.sentence).second);
    CHECK_FALSE(preset.version.empty());
    CHECK_FALSE(preset.source.empty());
    CHECK(preset.knobs.step_overhead_s > 0);  // never zero: ARCHITECTURE, the simulator
  }
}

TEST_CASE("only vLLM's preset, whose steps were recorded, calls itself verified",
          "[sim][engine_preset]") {
  for (const EnginePreset& preset : engine_presets())
    CHECK(preset.verified == (preset.name == "vllm"));
}

TEST_CASE("an unknown preset is answered with the nearest one", "[sim][engine_preset]") {
  const auto knobs = resolve_knobs(config_of("sglan"));
  REQUIRE_FALSE(knobs);
  CHECK_THAT(knobs.error().message,
             Contains("engine.preset") && Contains("did you mean \"sglang\"?"));
}

TEST_CASE("fewer tokens a step than sequences is refused where each of them needs one",
          "[sim][engine_preset]") {
  const auto knobs = resolve_knobs(config_of("vllm", "max_batched_tokens=1000"));
  REQUIRE_FALSE(knobs);
  CHECK_THAT(knobs.error().message,
             Contains("engine.max_batched_tokens") && Contains("max_sequences"));
}

}  // namespace
}  // namespace scsim::sim
