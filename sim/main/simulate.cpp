// `scsim --trace X.pb`: the main job.
#include <cstdio>
#include <memory>

#include "analysis/json_report.h"
#include "analysis/outputs.h"
#include "analysis/text_report.h"
#include "sim/main/commands.h"
#include "sim/main/trace_arguments.h"
#include "sim/simulation.h"
#include "traces/program/command_line.h"
#include "traces/program/out_folder.h"
#include "traces/program/terminal.h"
#include "traces/proto/cluster.pb.h"
#include "traces/text.h"
#include "traces/version.h"
#include "traces/yaml_message.h"

namespace scsim::program {
namespace {

struct SimulateArguments {
  std::string trace, cluster, out, warm_up;
  std::vector<std::string> settings;
  std::optional<std::int64_t> seed;
  bool json = false, quiet = false;
};

// How the run was made, for its result: without what does not change it.
std::string made_by(const SimulateArguments& arguments) {
  std::vector<std::string> words = {"--trace", arguments.trace};
  if (!arguments.cluster.empty()) words.insert(words.end(), {"--cluster", arguments.cluster});
  for (const std::string& setting : arguments.settings)
    words.insert(words.end(), {"--set", setting});
  if (arguments.seed) words.insert(words.end(), {"--seed", std::to_string(*arguments.seed)});
  return quoted_command_line(words);
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

  proto::ClusterConfig config;
  if (arguments.cluster.empty()) {
    config = sim::default_cluster_config();
  } else if (const auto read = read_yaml_file(arguments.cluster, config); !read) {
    return fail(read.error());
  }
  for (const std::string& setting : arguments.settings) {
    const auto set = set_yaml_key(setting, config);
    if (!set) return fail("--set " + set.error().message, ExitCode::kUsageError);
  }
  if (arguments.seed) config.set_seed(static_cast<std::uint64_t>(*arguments.seed));
  const auto cluster = sim::resolve_cluster(config);
  if (!cluster) return fail(cluster.error());
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
  auto result = sim::simulate(*reader, *cluster, options);
  progress.done();
  if (!result) return fail(result.error());
  result->trace_path = arguments.trace;
  result->made_by = made_by(arguments);
  result->tool_version = tool_version();

  const analysis::Summary summary = analysis::summarise(*result, summary_options);
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
  return {
      .name = "",
      .sentence = "simulate a cluster that serves the trace, and print what came of it",
      .arguments =
          {{.name = "--trace",
            .value_name = "FILE",
            .into = &arguments->trace,
            .sentence = "the trace to serve",
            .required = true,
            .completes = Completes::kFile},
           {.name = "--cluster",
            .value_name = "FILE",
            .into = &arguments->cluster,
            .sentence =
                "what serves it, as YAML: `scsim help cluster`; one node of 8 x H200 unless given",
            .completes = Completes::kFile},
           {.name = "--set",
            .value_name = "KEY=VALUE",
            .into = &arguments->settings,
            .sentence = "a key of the cluster, such as pools[0].gpu=h100"},
           {.name = "--out,-o",
            .value_name = "DIR",
            .into = &arguments->out,
            .sentence =
                "write result.pb, requests.csv, summary.json, report.html and trace.json there",
            .completes = Completes::kFolder},
           {.name = "--json", .into = &arguments->json, .sentence = "print the summary as JSON"},
           {.name = "--seed",
            .value_name = "N",
            .into = &arguments->seed,
            .sentence = "of random choices that policies make"},
           {.name = "--warm-up",
            .value_name = "SHARE",
            .into = &arguments->warm_up,
            .sentence =
                "of the time of arrivals, at its start, that figures leave out; 10% unless given"},
           quiet_flag(arguments->quiet)},
      .run = [arguments] { return simulate(*arguments); }};
}

}  // namespace scsim::program
