// An engine's decisions step by step, without time: for holding them against a recorded real
// engine.
//
// A scenario is JSON, as tests/data/vllm_v1/README.md describes; the log has one line of JSON a
// step and a last one with totals. With the preset `vllm` the lines are those of vLLM's own V1
// scheduler.
#pragma once

#include <string>
#include <vector>

#include "sim/engine_preset.h"
#include "traces/expected.h"

namespace scsim::sim {

// The log's lines, without newlines. `name` is what messages call the scenario; what it does not
// state is as the preset has it.
Expected<std::vector<std::string>> run_steps(const std::string& scenario_json,
                                             const std::string& name, const EnginePreset& preset);

}  // namespace scsim::sim
