// scexec train: a small network learns the tasks in symbols, as a recipe says.
#include <ATen/Parallel.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <utility>

#include "exec/main/commands.h"
#include "exec/train/recipe.h"
#include "exec/train/training.h"
#include "traces/program/terminal.h"
#include "traces/text.h"

namespace scsim::exec {
namespace {

using program::Command;
using program::ExitCode;
using program::fail;

struct Arguments {
  std::string recipe, out;
  std::optional<std::int64_t> threads;
};

ExitCode run(const Arguments& arguments) {
  const Expected<proto::TrainingRecipe> recipe = read_training_recipe(arguments.recipe);
  if (!recipe) return fail(recipe.error());
  if (arguments.threads) at::set_num_threads(static_cast<int>(*arguments.threads));
  std::string folder = arguments.out;
  if (folder.empty()) folder = std::filesystem::path(arguments.recipe).parent_path();
  if (folder.empty()) folder = ".";
  Expected<Training> training = Training::begin(*recipe, folder);
  if (!training) return fail(training.error());
  const std::int64_t before = training->steps_done(), steps = training->steps();
  std::fprintf(stderr, "scexec: %s parameters, %s steps%s\n",
               format_integer(training->parameters()).c_str(), format_integer(steps).c_str(),
               before > 0 ? (", " + format_integer(before) + " are done already").c_str() : "");
  program::Progress progress("training", "steps", true);
  while (!training->finished()) {
    if (const auto done = training->step(); !done) return fail(done.error());
    const std::int64_t now = training->steps_done() - before;
    progress.update(static_cast<double>(now) / static_cast<double>(steps - before),
                    static_cast<std::uint64_t>(now));
    if (training->news().empty()) continue;
    progress.done();
    for (const std::string& line : training->news()) std::printf("%s\n", line.c_str());
    std::fflush(stdout);
  }
  progress.done();
  std::fprintf(stderr, "scexec: the model is in %s\n", folder.c_str());
  return ExitCode::kOk;
}

}  // namespace

Command train_command() {
  auto arguments = std::make_shared<Arguments>();
  Arguments& a = *arguments;
  return {.name = "train",
          .sentence = "train a small network on the tasks in symbols, as a recipe says",
          .arguments = {{.name = "RECIPE.yaml",
                         .into = &a.recipe,
                         .sentence = "network, tasks and steps: scexec help training",
                         .required = true,
                         .completes = program::Completes::kFile},
                        {.name = "--out,-o",
                         .value_name = "DIR",
                         .into = &a.out,
                         .sentence = "where model and log go (the recipe's folder)",
                         .completes = program::Completes::kFolder},
                        {.name = "--threads",
                         .value_name = "N",
                         .into = &a.threads,
                         .sentence = "that compute (all cores); the weights depend on their number",
                         .min = 1}},
          .run = [arguments] { return run(*arguments); },
          .details = "Stopped at any moment, the same command goes on from the last checkpoint."};
}

}  // namespace scsim::exec
