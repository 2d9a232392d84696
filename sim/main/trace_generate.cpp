#include <cstdio>
#include <memory>

#include "sim/main/commands.h"
#include "sim/main/trace_arguments.h"
#include "traces/generate.h"
#include "traces/program/terminal.h"
#include "traces/text.h"

namespace scsim::program {
namespace {

struct GenerateArguments {
  RecipeInput recipe;
  std::optional<std::int64_t> seed;
  std::string out;
  bool quiet = false;
};

ExitCode generate(GenerateArguments& arguments) {
  MadeBy made_by("trace generate");
  made_by.file(arguments.recipe.path).options("--set", arguments.recipe.settings);
  if (arguments.seed) {
    arguments.recipe.seed = static_cast<std::uint64_t>(*arguments.seed);
    made_by.option("--seed", std::to_string(*arguments.seed));
  }
  remove_if_interrupted(arguments.out + ".partial");
  Progress progress("generating", "", !arguments.quiet);
  const auto report = generate_trace(arguments.recipe, arguments.out, made_by.text(),
                                     [&](double part) { progress.update(part, 0); });
  progress.done();
  if (!report) return fail(report.error());
  if (!arguments.quiet) {
    std::printf("%s: %s in %s over %s\n", arguments.out.c_str(),
                counted(report->requests, "request").c_str(),
                counted(report->sessions, "session").c_str(),
                format_seconds(report->last.seconds().value()).c_str());
  }
  return ExitCode::kOk;
}

}  // namespace

Command trace_generate_command() {
  auto arguments = std::make_shared<GenerateArguments>();
  return {.name = "trace generate",
          .sentence = "make a trace from a recipe",
          .arguments = {{.name = "RECIPE",
                         .into = &arguments->recipe.path,
                         .sentence = "a YAML file; `scsim help recipe` lists its keys",
                         .required = true,
                         .completes = Completes::kFile},
                        out_option(arguments->out, "the trace to write", true),
                        {.name = "--set",
                         .value_name = "KEY=VALUE",
                         .into = &arguments->recipe.settings,
                         .sentence = "a key of the recipe, such as arrivals.rate=2"},
                        {.name = "--seed",
                         .value_name = "N",
                         .into = &arguments->seed,
                         .sentence = "of every random stream, in place of the recipe's"},
                        quiet_flag(arguments->quiet)},
          .run = [arguments] { return generate(*arguments); }};
}

}  // namespace scsim::program
