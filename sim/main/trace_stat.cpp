#include "traces/trace_stat.h"

#include <cstdio>
#include <memory>

#include "sim/main/commands.h"
#include "sim/main/trace_arguments.h"
#include "traces/program/terminal.h"

namespace scsim::program {
namespace {

struct StatArguments {
  std::string trace;
  std::optional<std::int64_t> block_tokens;
  bool json = false, quiet = false;
};

ExitCode stat(const StatArguments& arguments) {
  StatOptions options;
  if (arguments.block_tokens) options.block_tokens = *arguments.block_tokens;
  Progress progress("reading", "", !arguments.quiet);
  options.progress = [&](double part) { progress.update(part, 0); };
  const auto stat = stat_trace(arguments.trace, options);
  progress.done();
  if (!stat) return fail(stat.error());
  std::fputs((arguments.json ? trace_stat_json(*stat) : trace_stat_text(*stat)).c_str(), stdout);
  return ExitCode::kOk;
}

}  // namespace

Command trace_stat_command() {
  auto arguments = std::make_shared<StatArguments>();
  return {.name = "trace stat",
          .sentence = "lengths, arrivals, and the sharing in it that a cache could use",
          .arguments = {trace_argument(arguments->trace),
                        {.name = "--block-tokens",
                         .value_name = "N",
                         .into = &arguments->block_tokens,
                         .sentence = "tokens in a block, for the ratios in blocks; 16 unless given",
                         .min = 1},
                        {.name = "--json", .into = &arguments->json, .sentence = "print JSON"},
                        {.name = "--quiet,-q",
                         .into = &arguments->quiet,
                         .sentence = "no progress bar"}},
          .run = [arguments] { return stat(*arguments); }};
}

}  // namespace scsim::program
