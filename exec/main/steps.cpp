// scexec steps: real steps of the engine, each shape alone, for the fit of a step's cost.
#include <ATen/Parallel.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <numeric>
#include <optional>
#include <utility>

#include "exec/engine/step_sweep.h"
#include "exec/main/commands.h"
#include "exec/main/engine_arguments.h"
#include "exec/main/lists.h"
#include "exec/main/sweep.h"
#include "exec/session/calibrate.h"
#include "exec/session/commit.h"
#include "exec/session/device.h"
#include "traces/program/command_line.h"
#include "traces/report/text_table.h"
#include "traces/text.h"
#include "traces/version.h"

namespace scsim::exec {
namespace {

using program::Command;
using program::ExitCode;
using program::fail;

struct Arguments {
  EngineArguments engine;
  std::string chunks = "1,4,16,64,128,256,512", behind = "0,256,1024,4096",
              batches = "1,2,4,8,16,32", contexts = "64,256,1024,3072", out;
  std::optional<std::int64_t> repeat, seed;
};

std::string made_by(const Arguments& arguments) {
  std::vector<std::string> words = {"steps"};
  for (const std::string& word : words_of(arguments.engine)) words.push_back(word);
  words.insert(words.end(), {"--chunks", arguments.chunks, "--behind", arguments.behind,
                             "--batches", arguments.batches, "--contexts", arguments.contexts});
  if (arguments.repeat) words.insert(words.end(), {"--repeat", std::to_string(*arguments.repeat)});
  if (arguments.seed) words.insert(words.end(), {"--seed", std::to_string(*arguments.seed)});
  return program::quoted_command_line(words);
}

Expected<StepDesign> design_of(const Arguments& arguments) {
  StepDesign design;
  const struct {
    const char* name;
    const std::string& text;
    std::int64_t min;
    std::vector<std::int64_t>& into;
  } lists[] = {{"--chunks", arguments.chunks, 1, design.chunks},
               {"--behind", arguments.behind, 0, design.behind},
               {"--batches", arguments.batches, 1, design.batches},
               {"--contexts", arguments.contexts, 1, design.contexts}};
  for (const auto& list : lists) {
    Expected<std::vector<std::int64_t>> numbers = number_list(list.name, list.text, list.min);
    if (!numbers) return numbers.error();
    list.into = *std::move(numbers);
  }
  design.repeats = static_cast<int>(arguments.repeat.value_or(3));
  design.seed = static_cast<std::uint64_t>(arguments.seed.value_or(1));
  return design;
}

CalibrationDesign file_design(const ReadyEngine& ready, const StepDesign& design,
                              const std::string& method) {
  CalibrationDesign file;
  file.model = ready.model.description;
  file.device = describe_device(ready.model.model->options().device);
  file.tool_version = std::string(tool_version());
  file.commit = std::string(source_commit());
  file.clock = ready.clock->description();
  file.seed = design.seed;
  file.methods = {describe_method(*methods::parse_method(method.empty() ? "full" : method))};
  file.full_method = "full";
  file.repeats = design.repeats;
  file.warm_ups = 1;
  if (file.model.random_weights)
    file.honesty.emplace_back("random weights: the model was never trained");
  return file;
}

std::string shape_text(const OperatorSample& sample) {
  const auto decodes = static_cast<std::size_t>(sample.dimensions.front().second);
  std::string text;
  for (std::size_t i = decodes; i < sample.new_tokens.size(); ++i) {
    text += (text.empty() ? "" : " + ") + std::to_string(sample.new_tokens[i]) + " behind " +
            std::to_string(sample.cached_tokens[i]);
  }
  if (decodes > 0) {
    const auto end = sample.cached_tokens.begin() + static_cast<std::ptrdiff_t>(decodes);
    const bool equal = std::count(sample.cached_tokens.begin(), end, sample.cached_tokens[0]) ==
                       static_cast<std::ptrdiff_t>(decodes);
    text += (text.empty() ? "" : " + ") + std::to_string(decodes) + " decode at " +
            std::to_string(sample.cached_tokens[0]) + (equal ? "" : ", halving");
  }
  return text;
}

std::string table_of(std::vector<OperatorSample> samples) {
  std::ranges::sort(samples, {}, &OperatorSample::operations);
  TextTable table({"step", "median", "min", "tokens/s", "GFLOP/s"});
  for (const OperatorSample& sample : samples) {
    std::vector<double> seconds = sample.seconds;
    std::ranges::sort(seconds);
    const double median = seconds[seconds.size() / 2];
    const auto tokens = static_cast<double>(
        std::accumulate(sample.new_tokens.begin(), sample.new_tokens.end(), std::int64_t{0}));
    table.add({shape_text(sample), format_seconds(median), format_seconds(seconds.front()),
               format_fixed(tokens / median, 1),
               format_fixed(sample.operations / median / 1e9, 1)});
  }
  return table.text(0);
}

ExitCode run(const Arguments& arguments) {
  const Expected<StepDesign> design = design_of(arguments);
  if (!design) return fail(design.error().message, ExitCode::kUsageError);
  Expected<ReadyEngine> ready = make_engine(arguments.engine);
  if (!ready) return fail(ready.error());
  if (ready->engine->scheduler().compresses()) {
    return fail("steps of " + arguments.engine.method +
                " are those of full attention with what it has kept: measure those");
  }
  Expected<std::string> hash = hash_weights(ready->model.path);
  if (!hash) return fail(hash.error());
  ready->model.description.weights_hash = *std::move(hash);
  const CalibrationDesign file = file_design(*ready, *design, arguments.engine.method);
  ready->model.model->memory().pool(KvMemory::kDevice).tensor().normal_(0, 1);
  std::vector<OperatorSample> plan = plan_steps(*design, *ready->engine);
  if (plan.empty()) {
    return fail("no step of these lists fits the engine's blocks, sequences and tokens of a step",
                ExitCode::kUsageError);
  }
  OperatorSample warm_up = plan.front();
  if (const auto done = measure_step(warm_up, *design, *ready->engine); !done)
    return fail(done.error());
  auto taken =
      sweep(std::move(plan), "steps", arguments.out, file, made_by(arguments),
            [&](OperatorSample& sample) { return measure_step(sample, *design, *ready->engine); });
  if (!taken) return fail(taken.error());
  std::printf("%s, by the %s\n%s", describe_model(ready->model).c_str(), file.clock.c_str(),
              table_of(*std::move(taken)).c_str());
  return ExitCode::kOk;
}

}  // namespace

Command steps_command() {
  auto arguments = std::make_shared<Arguments>();
  Arguments& a = *arguments;
  Command command{.name = "steps",
                  .sentence = "measure real steps of the engine, over chunks, batches and contexts",
                  .arguments = engine_arguments(a.engine),
                  .run = [arguments] { return run(*arguments); },
                  .details =
                      "Killed at any moment, the same command goes on where it was "
                      "(OUT.partial)."};
  const auto add = [&command](program::Argument argument) {
    command.arguments.push_back(std::move(argument));
  };
  add({.name = "--out,-o",
       .value_name = "OUT.pb",
       .into = &a.out,
       .sentence = "a calibration to write them to",
       .completes = program::Completes::kFile});
  add({.name = "--chunks",
       .value_name = "N,M",
       .into = &a.chunks,
       .sentence = "tokens of a prompt in a step (1,4,16,64,128,256,512)"});
  add({.name = "--behind",
       .value_name = "N,M",
       .into = &a.behind,
       .sentence = "tokens cached before them (0,256,1024,4096)"});
  add({.name = "--batches",
       .value_name = "N,M",
       .into = &a.batches,
       .sentence = "sequences that decode (1,2,4,8,16,32)"});
  add({.name = "--contexts",
       .value_name = "N,M",
       .into = &a.contexts,
       .sentence = "tokens cached of each of them (64,256,1024,3072)"});
  add({.name = "--repeat",
       .value_name = "N",
       .into = &a.repeat,
       .sentence = "steps of each shape (3)",
       .min = 1});
  add({.name = "--seed", .value_name = "N", .into = &a.seed, .sentence = "of the order (1)"});
  return command;
}

}  // namespace scsim::exec
