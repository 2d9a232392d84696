// `scsim validate`: simulates a trace and sets it beside what a real engine did with it.
#include <cstdio>
#include <memory>

#include "analysis/validation.h"
#include "sim/main/cluster_arguments.h"
#include "sim/main/commands.h"
#include "sim/main/trace_arguments.h"
#include "sim/simulation.h"
#include "traces/files.h"
#include "traces/program/terminal.h"

namespace scsim::program {
namespace {

struct ValidateArguments {
  ClusterArguments cluster;
  std::string trace, csv;
  std::vector<std::string> real;
  bool bars = false, quiet = false;
};

ExitCode validate(const ValidateArguments& arguments) {
  std::vector<Result> real;
  for (const std::string& path : arguments.real) {
    auto result = read_result(path);
    if (!result) return fail(result.error());
    real.push_back(*std::move(result));
  }
  MadeCluster made;
  if (const ExitCode code = make_cluster(arguments.cluster, made); code != ExitCode::kOk)
    return code;
  auto reader = TraceReader::open(arguments.trace);
  if (!reader) return fail(reader.error());
  Progress progress("simulating", "requests", !arguments.quiet);
  sim::SimulationOptions options;
  options.progress = [&](double part, std::uint64_t requests) {
    progress.update(part, requests);
    return true;
  };
  const auto simulated = sim::simulate(*reader, *made.cluster, options);
  progress.done();
  if (!simulated) return fail(simulated.error());
  const auto validation = analysis::validate(*simulated, real);
  if (!validation) return fail(validation.error());
  if (!arguments.csv.empty()) {
    const auto written = write_file(arguments.csv, analysis::validation_csv(*validation));
    if (!written) return fail(written.error());
  }
  if (!arguments.quiet) {
    std::fputs(analysis::validation_text(*validation).c_str(), stdout);
    if (!arguments.csv.empty()) std::printf("wrote %s\n", arguments.csv.c_str());
  }
  if (arguments.bars && !validation->bars_met().value_or(true))
    return fail("a bar was missed (--bars)");
  return ExitCode::kOk;
}

}  // namespace

Command validate_command() {
  auto arguments = std::make_shared<ValidateArguments>();
  ValidateArguments& a = *arguments;
  std::vector<Argument> all = {{.name = "--trace",
                                .value_name = "FILE",
                                .into = &a.trace,
                                .sentence = "the trace that was run",
                                .required = true,
                                .completes = Completes::kFile},
                               {.name = "--real",
                                .value_name = "RESULT.pb",
                                .into = &a.real,
                                .sentence = "what `scexec replay` wrote of it; again for repeated "
                                            "runs, whose spread errors are set beside",
                                .required = true,
                                .completes = Completes::kFile}};
  for (Argument& argument : cluster_arguments(a.cluster)) all.push_back(std::move(argument));
  all.insert(all.end(), {{.name = "--csv",
                          .value_name = "FILE",
                          .into = &a.csv,
                          .sentence = "every number of it, one a line",
                          .completes = Completes::kFile},
                         {.name = "--bars",
                          .into = &a.bars,
                          .sentence = "fail when an error is beyond its bar, below saturation"},
                         quiet_flag(a.quiet)});
  return {.name = "validate",
          .sentence = "set a simulation beside real runs of the same trace, with errors and bars",
          .arguments = std::move(all),
          .run = [arguments] { return validate(*arguments); }};
}

}  // namespace scsim::program
