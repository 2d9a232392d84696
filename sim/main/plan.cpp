// `scsim plan p.yaml`: the cheapest cluster that meets the targets.
#include "analysis/study/plan.h"

#include <cstdio>
#include <memory>

#include "sim/main/commands.h"
#include "sim/main/trace_arguments.h"
#include "sim/main/with_crew.h"
#include "traces/program/terminal.h"

namespace scsim::program {
namespace {

struct PlanArguments {
  std::string plan;
  std::vector<std::string> settings;
  std::optional<std::int64_t> threads;
  bool max_load = false, exhaustive = false, quiet = false;
};

ExitCode print_max_loads(const analysis::Plan& plan, analysis::Crew& crew, bool quiet) {
  const std::vector<analysis::Point> points = plan.study.points();
  std::vector<analysis::PointInputs> clusters;
  for (const analysis::Point& point : points) clusters.push_back(*plan.study.inputs(point));
  const auto loads = analysis::max_loads(plan, clusters, crew);
  if (!loads) return fail(loads.error());
  if (!quiet) std::fputs(analysis::max_load_text(plan, points, *loads).c_str(), stdout);
  return ExitCode::kOk;
}

ExitCode plan(const PlanArguments& arguments, analysis::Crew& crew,
              analysis::Workloads& workloads) {
  const auto read = analysis::read_plan(arguments.plan, arguments.settings);
  if (!read) return fail(read.error());
  if (arguments.max_load) return print_max_loads(*read, crew, arguments.quiet);
  Progress progress("planning", "", !arguments.quiet);
  const auto found = arguments.exhaustive
                         ? analysis::search_exhaustively(*read, crew)
                         : analysis::search(*read, crew, workloads,
                                            [&](double part) { progress.update(part, 0); });
  progress.done();
  if (!found) return fail(found.error());
  if (!arguments.quiet) std::fputs(analysis::plan_text(*read, *found).c_str(), stdout);
  return ExitCode::kOk;
}

}  // namespace

Command plan_command() {
  auto arguments = std::make_shared<PlanArguments>();
  return {
      .name = "plan",
      .sentence = "find the cheapest cluster that meets the targets",
      .arguments = {{.name = "PLAN",
                     .into = &arguments->plan,
                     .sentence = "a YAML file; `scsim help plans` lists its keys",
                     .required = true,
                     .completes = Completes::kFile},
                    {.name = "--max-load",
                     .into = &arguments->max_load,
                     .sentence =
                         "print the largest load that every candidate carries, and search nothing"},
                    {.name = "--exhaustive",
                     .into = &arguments->exhaustive,
                     .sentence = "run every candidate in full, to hold the search against"},
                    {.name = "--set",
                     .value_name = "KEY=VALUE",
                     .into = &arguments->settings,
                     .sentence = "a key of the plan, such as load=2 or require[0].at_most=1s"},
                    threads_argument(arguments->threads),
                    quiet_flag(arguments->quiet)},
      .run = [arguments] {
        return with_crew(arguments->threads,
                         [&](analysis::Crew& crew, analysis::Workloads& workloads) {
                           return plan(*arguments, crew, workloads);
                         });
      }};
}

}  // namespace scsim::program
