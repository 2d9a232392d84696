// scexec kernels: each operator alone, over lengths and batch sizes, for the fits of costs.
#include <ATen/Parallel.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <utility>

#include "exec/api/device_timeline.h"
#include "exec/main/commands.h"
#include "exec/main/lists.h"
#include "exec/main/model_arguments.h"
#include "exec/main/sweep.h"
#include "exec/session/commit.h"
#include "exec/session/device.h"
#include "exec/session/kernel_sweep.h"
#include "exec/weights/checkpoint.h"
#include "traces/calibration.h"
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
  ModelArguments model;
  std::string lengths = "256,512,1024,2048,4096", batches = "1,2,4,8", operators, out;
  std::optional<std::int64_t> repeat, seed;
};

std::string made_by(const Arguments& arguments) {
  std::vector<std::string> words = {"kernels", "--lengths", arguments.lengths, "--batches",
                                    arguments.batches};
  if (!arguments.operators.empty()) words.insert(words.end(), {"--operators", arguments.operators});
  if (arguments.repeat) words.insert(words.end(), {"--repeat", std::to_string(*arguments.repeat)});
  if (arguments.seed) words.insert(words.end(), {"--seed", std::to_string(*arguments.seed)});
  return program::quoted_command_line(words);
}

Expected<KernelDesign> design_of(const Arguments& arguments) {
  KernelDesign design;
  const auto lengths = number_list("--lengths", arguments.lengths, 2);
  if (!lengths) return lengths.error();
  design.lengths = *lengths;
  const auto batches = number_list("--batches", arguments.batches, 1);
  if (!batches) return batches.error();
  design.batches = *batches;
  if (!arguments.operators.empty()) {
    for (const std::string& piece : split(arguments.operators, ',')) {
      const std::string name(trim(piece));
      if (std::ranges::find(kernel_names(), name) == kernel_names().end()) {
        return Error{"--operators: " + unknown_name("operator", name, kernel_names())};
      }
      design.operators.push_back(name);
    }
  }
  design.repeats = static_cast<int>(arguments.repeat.value_or(5));
  design.seed = static_cast<std::uint64_t>(arguments.seed.value_or(1));
  return design;
}

std::string shape_text(const OperatorSample& sample) {
  std::string text;
  const std::size_t batch = sample.new_tokens.size();
  if (batch > 0) {
    text = (batch > 1 ? std::to_string(batch) + " x " : "") +
           std::to_string(sample.new_tokens.front());
  }
  if (!sample.cached_tokens.empty() && sample.cached_tokens.front() > 0) {
    const bool equal = std::ranges::count(sample.cached_tokens, sample.cached_tokens.front()) ==
                       std::ssize(sample.cached_tokens);
    text += " behind " + std::to_string(sample.cached_tokens.front()) + (equal ? "" : ", halving");
  }
  for (const auto& [name, value] : sample.dimensions) {
    text += (text.empty() ? "" : ", ") + name + " " + std::to_string(value);
  }
  return text;
}

std::string table_of(std::vector<OperatorSample> samples) {
  const auto key = [](const OperatorSample& s) { return std::pair(s.name, s.operations); };
  std::ranges::sort(samples, {}, key);
  TextTable table({"operator, shape", "median", "min", "GFLOP/s", "GB/s", "largest error"});
  for (const OperatorSample& sample : samples) {
    std::vector<double> seconds = sample.seconds;
    std::ranges::sort(seconds);
    const double median = seconds[seconds.size() / 2];
    const double bytes = static_cast<double>(sample.bytes_read + sample.bytes_written);
    table.add({sample.name + "  " + shape_text(sample), format_seconds(median),
               format_seconds(seconds.front()), format_fixed(sample.operations / median / 1e9, 1),
               format_fixed(bytes / median / 1e9, 2),
               sample.largest_error ? format_shortest(*sample.largest_error) : "-"});
  }
  return table.text(0);
}

ExitCode run(const Arguments& arguments) {
  const Expected<KernelDesign> design = design_of(arguments);
  if (!design) return fail(design.error().message, ExitCode::kUsageError);
  const Expected<std::string> path = model_path(arguments.model);
  if (!path) return fail(path.error());
  const Expected<Checkpoint> checkpoint = Checkpoint::open(*path);
  if (!checkpoint) return fail(checkpoint.error());
  if (arguments.model.threads) at::set_num_threads(static_cast<int>(*arguments.model.threads));
  const Expected<c10::Device> device = open_device(arguments.model.device);
  if (!device) return fail(device.error());
  const ModelConfig& config = checkpoint->config();
  if (config.attention_layers() == 0) {
    return fail(config.name + ": no layer attends, and the sweep's shapes are those of attention",
                ExitCode::kInputError);
  }
  const KernelShapes shapes = kernel_shapes(config, *device, c10::kFloat);
  CalibrationDesign file;
  file.model = {.name = config.name,
                .family = config.family,
                .parameters = config.parameters(),
                .weights_format = "none: operators alone",
                .weights_hash = "",
                .tokenizer = "",
                .compute_type = c10::toString(shapes.type),
                .kv_type = c10::toString(shapes.type),
                .layers = config.layers,
                .hidden = config.hidden,
                .query_heads = shapes.query_heads,
                .kv_heads = shapes.kv_heads,
                .head_dim = shapes.head_dim,
                .vocabulary = config.vocabulary};
  file.device = describe_device(*device);
  file.tool_version = std::string(tool_version());
  file.commit = std::string(source_commit());
  file.clock = clock_description(*device);
  file.seed = design->seed;
  const std::unique_ptr<Timeline> timeline = timeline_for(*device);
  auto taken = sweep(plan_kernels(shapes, *design), "operators", arguments.out, file,
                     made_by(arguments), [&](OperatorSample& sample) -> Expected<void> {
                       measure_kernel(sample, shapes, *design, *timeline);
                       return {};
                     });
  if (!taken) return fail(taken.error());
  std::printf("%s\n%s",
              (config.name + "'s shapes on " + file.device.name + ", " +
               std::to_string(file.device.threads) + " threads")
                  .c_str(),
              table_of(*std::move(taken)).c_str());
  return ExitCode::kOk;
}

}  // namespace

Command kernels_command() {
  auto arguments = std::make_shared<Arguments>();
  Arguments& a = *arguments;
  Command command{.name = "kernels",
                  .sentence = "measure each operator alone, over lengths and batch sizes",
                  .arguments = model_arguments(a.model),
                  .run = [arguments] { return run(*arguments); }};
  const auto add = [&command](program::Argument argument) {
    command.arguments.push_back(std::move(argument));
  };
  add({.name = "--out,-o",
       .value_name = "OUT.pb",
       .into = &a.out,
       .sentence = "a calibration to write them to",
       .completes = program::Completes::kFile});
  add({.name = "--lengths",
       .value_name = "N,M",
       .into = &a.lengths,
       .sentence = "tokens (256,512,1024,2048,4096)"});
  add({.name = "--batches",
       .value_name = "N,M",
       .into = &a.batches,
       .sentence = "sequences of a decode step (1,2,4,8)"});
  add({.name = "--operators",
       .value_name = "A,B",
       .into = &a.operators,
       .sentence = "only these",
       .offers = kernel_names()});
  add({.name = "--repeat",
       .value_name = "N",
       .into = &a.repeat,
       .sentence = "calls of each (5)",
       .min = 1});
  add({.name = "--seed",
       .value_name = "N",
       .into = &a.seed,
       .sentence = "of inputs and order (1)"});
  return command;
}

}  // namespace scsim::exec
