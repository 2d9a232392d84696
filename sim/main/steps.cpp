#include "sim/steps.h"

#include <cstdio>
#include <memory>

#include "sim/main/commands.h"
#include "traces/files.h"
#include "traces/proto/cluster.pb.h"
#include "traces/yaml_message.h"

namespace scsim::program {
namespace {

struct StepsArguments {
  std::string scenario, preset = "vllm";
  std::vector<std::string> settings;
};

ExitCode steps(const StepsArguments& arguments) {
  auto preset = sim::find_engine_preset(arguments.preset);
  if (!preset) return fail(preset.error());
  proto::EngineConfig config;
  for (const std::string& setting : arguments.settings) {
    const auto set = set_yaml_key(setting, config);
    if (!set) return fail("--set " + set.error().message, ExitCode::kUsageError);
  }
  config.set_preset(arguments.preset);
  auto knobs = sim::resolve_knobs(config);
  if (!knobs) return fail(knobs.error());
  preset->knobs = *std::move(knobs);

  const auto scenario = read_file(arguments.scenario);
  if (!scenario) return fail(scenario.error());
  const auto lines = sim::run_steps(*scenario, arguments.scenario, *preset);
  if (!lines) return fail(lines.error());
  for (const std::string& line : *lines) std::printf("%s\n", line.c_str());
  return ExitCode::kOk;
}

}  // namespace

Command steps_command() {
  auto arguments = std::make_shared<StepsArguments>();
  std::vector<std::string> presets;
  for (const sim::EnginePreset& preset : sim::engine_presets()) presets.push_back(preset.name);
  return {.name = "steps",
          .sentence = "what an engine decides, step by step, to hold against a recorded real one",
          .arguments = {{.name = "SCENARIO",
                         .into = &arguments->scenario,
                         .sentence = "requests and limits, as JSON",
                         .required = true,
                         .completes = Completes::kFile},
                        {.name = "--preset",
                         .value_name = "PRESET",
                         .into = &arguments->preset,
                         .sentence = "whose scheduler; vllm unless given",
                         .choices = presets},
                        {.name = "--set",
                         .value_name = "KEY=VALUE",
                         .into = &arguments->settings,
                         .sentence = "a knob of the engine, such as max_sequences=64"}},
          .run = [arguments] { return steps(*arguments); }};
}

}  // namespace scsim::program
