#include "exec/main/engine_arguments.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <utility>

#include "exec/weights/checkpoint.h"

namespace scsim::exec {

std::vector<program::Argument> engine_arguments(EngineArguments& arguments) {
  std::vector<program::Argument> all = model_arguments(arguments.model);
  all.push_back({.name = "--engine",
                 .value_name = "FILE.yaml",
                 .into = &arguments.file,
                 .sentence = "how it schedules: keys as under `engine:` in a cluster file",
                 .completes = program::Completes::kFile});
  all.push_back({.name = "--set",
                 .value_name = "KEY=VALUE",
                 .into = &arguments.settings,
                 .sentence = "one of those keys, as max_batched_tokens=256; as many as you like"});
  all.push_back({.name = "--clock",
                 .value_name = "CLOCK",
                 .into = &arguments.clock,
                 .sentence = "wall: really waits; cpu: process CPU time over threads (wall)",
                 .choices = {"wall", "cpu"}});
  return all;
}

Expected<ReadyEngine> make_engine(const EngineArguments& arguments) {
  Expected<EngineKnobs> knobs = read_knobs(arguments.file, arguments.settings);
  if (!knobs) return knobs.error();
  const Expected<std::string> path = model_path(arguments.model);
  if (!path) return path.error();
  const Expected<Checkpoint> checkpoint = Checkpoint::open(*path);
  if (!checkpoint) return checkpoint.error();
  if (knobs->num_blocks == 0) {
    const AttentionConfig& shape = checkpoint->config().attention;
    const std::int64_t token_bytes = 2 * std::int64_t{sizeof(float)} * shape.head_dim *
                                     shape.kv_heads * checkpoint->config().layers;
    knobs->num_blocks = std::max<std::int64_t>(
        1, (std::int64_t{1} << 30) / std::max<std::int64_t>(1, token_bytes * knobs->block_tokens));
  }
  Expected<LoadedModel> model = load(arguments.model, Engine::model_options({}, *knobs));
  if (!model) return model.error();
  Expected<std::unique_ptr<EngineClock>> clock =
      make_engine_clock(arguments.clock, at::get_num_threads());
  if (!clock) return clock.error();
  Expected<std::unique_ptr<Engine>> engine =
      Engine::make(*model->model, *knobs, (*clock)->timeline());
  if (!engine) return engine.error();
  return ReadyEngine{*std::move(model), *std::move(clock), *std::move(engine)};
}

std::vector<std::string> words_of(const EngineArguments& arguments) {
  std::vector<std::string> words;
  const auto add = [&](const std::string& name, const std::string& value) {
    if (!value.empty()) words.insert(words.end(), {name, value});
  };
  add("--model", arguments.model.model);
  if (arguments.model.threads) add("--threads", std::to_string(*arguments.model.threads));
  add("--engine", arguments.file);
  for (const std::string& setting : arguments.settings) add("--set", setting);
  add("--clock", arguments.clock);
  return words;
}

}  // namespace scsim::exec
