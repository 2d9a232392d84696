// `scsim --trace X.pb`: the main job.
#include <cstdio>
#include <memory>

#include "analysis/json_report.h"
#include "analysis/outputs.h"
#include "analysis/text_report.h"
#include "sim/main/cluster_arguments.h"
#include "sim/main/commands.h"
#include "sim/main/trace_arguments.h"
#include "sim/simulation.h"
#include "traces/check.h"
#include "traces/program/command_line.h"
#include "traces/program/out_folder.h"
#include "traces/program/terminal.h"
#include "traces/stored_trace.h"
#include "traces/text.h"
#include "traces/version.h"

namespace scsim::program {
namespace {

struct SimulateArguments {
  ClusterArguments cluster;
  std::string trace, out, warm_up;
  std::optional<std::int64_t> samples;
  bool json = false, quiet = false;
};

// How the run was made, for its result: without what does not change it.
std::string made_by(const SimulateArguments& arguments) {
  std::vector<std::string> all = {"--trace", arguments.trace};
  const std::vector<std::string> cluster = words(arguments.cluster);
  all.insert(all.end(), cluster.begin(), cluster.end());
  return quoted_command_line(all);
}

// With --samples the run is simulated again at costs drawn from what the fit leaves open; without
// it intervals are of the accuracy alone.
Expected<analysis::Answers> answers_of(const SimulateArguments& arguments, const MadeCluster& made,
                                       const Result& result, const analysis::Summary& summary) {
  constexpr std::uint64_t kDraws = 200, kMostStoredBytes = std::uint64_t{1} << 30;
  const Profile& profile = made.measured->profile;
  analysis::Answers answers =
      analysis::expected_answers(result, summary.window, profile, method_of(made, result));
  std::vector<analysis::Answers> draws;
  const auto samples = static_cast<std::uint64_t>(arguments.samples.value_or(0));
  std::shared_ptr<const StoredTrace> stored;  // parsed once for all draws, unless it is very long
  if (samples > 0 && !profile.fits.empty()) {
    auto loaded = StoredTrace::load(arguments.trace, kMostStoredBytes);
    if (!loaded) return loaded.error();
    stored = *std::move(loaded);
  }
  for (std::uint64_t draw = 1; draw <= (samples > 0 ? samples : kDraws); ++draw) {
    if (samples == 0 || profile.fits.empty()) {
      draws.push_back(analysis::redrawn(answers, profile, draw));
      continue;
    }
    ClusterArguments drawn = arguments.cluster;
    drawn.draw = draw;
    MadeCluster again{.cluster = {}, .measured = made.measured};
    SCSIM_CHECK(make_cluster(drawn, again) == ExitCode::kOk);  // as it did without a draw
    auto reader = stored != nullptr ? Expected<TraceReader>(TraceReader::over(stored))
                                    : TraceReader::open(arguments.trace);
    if (!reader) return reader.error();
    const auto run = sim::simulate(*reader, *again.cluster, {});
    if (!run) return run.error();
    draws.push_back(analysis::redrawn(
        analysis::expected_answers(*run, analysis::measured_window(*run, summary.options.warm_up),
                                   profile, method_of(again, *run)),
        profile, draw));
    answers.costs_drawn = true;
  }
  analysis::set_intervals(answers, draws);
  return answers;
}

ExitCode simulate(const SimulateArguments& arguments) {
  analysis::SummaryOptions summary_options;
  if (!arguments.warm_up.empty()) {
    const auto share = parse_fraction(arguments.warm_up);
    if (!share) return fail("--warm-up: " + share.error().message, ExitCode::kUsageError);
    if (!(*share >= 0 && *share <= 0.9))
      return fail("--warm-up: expected 0 to 0.9", ExitCode::kUsageError);
    summary_options.warm_up = *share;
  }

  MadeCluster made;
  if (const ExitCode code = make_cluster(arguments.cluster, made); code != ExitCode::kOk)
    return code;
  if (!arguments.out.empty()) {
    if (const auto writable = check_out_folder(arguments.out); !writable)
      return fail(writable.error());
  }

  auto reader = TraceReader::open(arguments.trace);
  if (!reader) return fail(reader.error());
  Progress progress("simulating", "requests", !arguments.quiet);
  sim::SimulationOptions options;
  options.progress = [&](double part, std::uint64_t requests) {
    progress.update(part, requests);
    return true;
  };
  auto result = sim::simulate(*reader, *made.cluster, options);
  progress.done();
  if (!result) return fail(result.error());
  if (made.measured != nullptr && made.measured->profile.fits.empty()) {
    const std::vector<std::string>& lines = made.measured->profile.honesty;
    result->honesty.insert(result->honesty.end(), lines.begin(), lines.end());
  }
  result->trace_path = arguments.trace;
  result->made_by = made_by(arguments);
  result->tool_version = tool_version();

  analysis::Summary summary = analysis::summarise(*result, summary_options);
  if (made.measured != nullptr && !made.measured->profile.accuracy.empty()) {
    auto answers = answers_of(arguments, made, *result, summary);
    if (!answers) return fail(answers.error());
    analysis::set_answers(*std::move(answers), summary);
  }
  std::vector<std::string> written;
  if (!arguments.out.empty()) {
    const NoInterrupts until_all_is_written;
    auto files = analysis::write_outputs(*result, summary, arguments.out);
    if (!files) return fail(files.error());
    for (const std::string& note : files->notes)
      std::fprintf(stderr, "scsim: note: %s\n", note.c_str());
    written = std::move(files->paths);
  }
  if (arguments.quiet) return ExitCode::kOk;
  if (arguments.json) {
    std::fputs(analysis::json_report(*result, summary).c_str(), stdout);
    return ExitCode::kOk;
  }
  std::fputs(analysis::text_report(*result, summary).c_str(), stdout);
  for (const std::string& path : written) std::printf("wrote %s\n", path.c_str());
  return ExitCode::kOk;
}

}  // namespace

Command simulate_command() {
  auto arguments = std::make_shared<SimulateArguments>();
  std::vector<Argument> all = {{.name = "--trace",
                                .value_name = "FILE",
                                .into = &arguments->trace,
                                .sentence = "the trace to serve",
                                .required = true,
                                .completes = Completes::kFile}};
  for (Argument& argument : cluster_arguments(arguments->cluster))
    all.push_back(std::move(argument));
  all.insert(
      all.end(),
      {{.name = "--out,-o",
        .value_name = "DIR",
        .into = &arguments->out,
        .sentence = "write result.pb, requests.csv, summary.json, report.html and trace.json there",
        .completes = Completes::kFolder},
       {.name = "--json", .into = &arguments->json, .sentence = "print the summary as JSON"},
       {.name = "--samples",
        .value_name = "N",
        .into = &arguments->samples,
        .sentence = "simulate again at N draws of the profile's costs, so that the interval of "
                    "correct answers has their error too"},
       {.name = "--warm-up",
        .value_name = "SHARE",
        .into = &arguments->warm_up,
        .sentence =
            "of the time of arrivals, at its start, that figures leave out; 10% unless given"},
       quiet_flag(arguments->quiet)});
  return {.name = "",
          .sentence = "simulate a cluster that serves the trace, and print what came of it",
          .arguments = std::move(all),
          .run = [arguments] { return simulate(*arguments); }};
}

}  // namespace scsim::program
