#include "exec/main/engine_arguments.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <utility>

#include "exec/weights/checkpoint.h"
#include "methods/runtime.h"
#include "traces/text.h"

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
  all.push_back({.name = "--method",
                 .value_name = "METHOD",
                 .into = &arguments.method,
                 .sentence = "long-context method that it serves with, with parameters (full)"});
  return all;
}

std::vector<program::Argument> tier_arguments(EngineArguments& arguments) {
  return {{.name = "--host-cache",
           .value_name = "BYTES",
           .into = &arguments.host,
           .sentence = "RAM for blocks that the engine evicts, as 2 GiB (none)"},
          {.name = "--disk-cache",
           .value_name = "BYTES",
           .into = &arguments.disk,
           .sentence = "files for blocks that RAM has no room for (none)"},
          {.name = "--disk-folder",
           .value_name = "DIR",
           .into = &arguments.folder,
           .sentence = "of those files; the next run finds them there",
           .completes = program::Completes::kFolder}};
}

namespace {

// The tiers that the arguments ask for; null: none.
Expected<std::unique_ptr<BlockStore>> make_store(const EngineArguments& arguments,
                                                 std::int64_t block_bytes, EngineClock& clock) {
  BlockStore::Options options{.block_bytes = block_bytes, .folder = arguments.folder};
  const auto size = [](const std::string& name, const std::string& text,
                       std::int64_t& into) -> Expected<void> {
    if (text.empty()) return {};
    const Expected<double> bytes = parse_bytes(text);
    if (!bytes) return Error{name + ": " + bytes.error().message};
    into = static_cast<std::int64_t>(*bytes);
    return {};
  };
  if (const auto set = size("--host-cache", arguments.host, options.host_bytes); !set)
    return set.error();
  if (const auto set = size("--disk-cache", arguments.disk, options.disk_bytes); !set)
    return set.error();
  if ((options.disk_bytes > 0) != !options.folder.empty())
    return Error{"--disk-cache and --disk-folder go together"};
  if (options.host_bytes == 0 && options.disk_bytes == 0) return std::unique_ptr<BlockStore>();
  options.waited = [&clock](double seconds) { clock.waited(seconds); };
  return BlockStore::open(options);
}

// Weights, types and shape of a block, where blocks outlive the process; else the model's name
// does.
Expected<std::string> identity_of(const EngineArguments& arguments, const LoadedModel& model,
                                  const EngineKnobs& knobs) {
  if (arguments.folder.empty()) return model.description.name;
  const Expected<std::string> hash = hash_weights(model.path);
  if (!hash) return hash.error();
  return *hash + " " + model.description.kv_type + " " + std::to_string(model.description.layers) +
         "x" + std::to_string(model.description.kv_heads) + "x" +
         std::to_string(model.description.head_dim) + " " + std::to_string(knobs.block_tokens);
}

// Full attention, unless another is asked for.
Expected<EngineMethod> method_of(const EngineArguments& arguments, const LoadedModel& model) {
  if (arguments.method.empty()) return EngineMethod{};
  const auto choice = methods::parse_method(arguments.method);
  if (!choice) return Error{"--method: " + choice.error().message};
  if (choice->name == "full") return EngineMethod{};
  if (const auto fits = check_layers(*choice, model); !fits) return fits.error();
  return EngineMethod{methods::method_text(*choice), methods::make_contract(*choice),
                      methods::make_runtime(*choice)};
}

}  // namespace

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
  const Expected<std::string> identity = identity_of(arguments, *model, *knobs);
  if (!identity) return identity.error();
  Expected<EngineMethod> method = method_of(arguments, *model);
  if (!method) return method.error();
  Expected<std::unique_ptr<Engine>> engine =
      Engine::make(*model->model, *knobs, (*clock)->timeline(), *identity, *std::move(method));
  if (!engine) return engine.error();
  Expected<std::unique_ptr<BlockStore>> store =
      make_store(arguments, (*engine)->block_bytes(), **clock);
  if (!store) return store.error();
  (*engine)->set_store(store->get());
  return ReadyEngine{*std::move(model), *std::move(clock), *std::move(store), *std::move(engine)};
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
  add("--method", arguments.method);
  add("--host-cache", arguments.host);
  add("--disk-cache", arguments.disk);
  add("--disk-folder", arguments.folder);
  return words;
}

}  // namespace scsim::exec
