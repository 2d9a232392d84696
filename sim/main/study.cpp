// `scsim study s.yaml`: many runs that differ in a few keys.
#include <cstdio>
#include <memory>

#include "analysis/study/database.h"
#include "analysis/study/table.h"
#include "sim/main/commands.h"
#include "sim/main/trace_arguments.h"
#include "sim/main/with_crew.h"
#include "traces/files.h"
#include "traces/program/terminal.h"

namespace scsim::program {
namespace {

struct StudyArguments {
  std::string study, database, csv, html;
  std::vector<std::string> settings;
  std::optional<std::int64_t> threads;
  bool quiet = false;
};

// Runs what the database lacks. Gives the results of all points in their order.
Expected<std::vector<analysis::JobResult>> run_points(const analysis::Study& study,
                                                      analysis::StudyDatabase& database,
                                                      analysis::Crew& crew, bool quiet) {
  const std::vector<analysis::Point> points = study.points();
  auto done = database.read(study, points);
  if (!done) return done.error();
  std::vector<std::size_t> missing;
  for (std::size_t i = 0; i < points.size(); ++i)
    if (!done->contains(i)) missing.push_back(i);
  if (!quiet && missing.size() < points.size())
    std::fprintf(stderr, "scsim: %s are there, %s to run\n",
                 counted(points.size() - missing.size(), "run").c_str(),
                 count_of(missing.size()).c_str());
  Progress progress("running", "runs", !quiet);
  std::size_t finished = 0;
  const auto ran = crew.run(
      missing.size(),
      [&](std::size_t i) {
        return analysis::Job{.inputs = *study.inputs(points[missing[i]]), .warm_up = study.warm_up};
      },
      [&](std::size_t i, const analysis::JobResult& result) -> Expected<void> {
        (*done)[missing[i]] = result;
        ++finished;
        progress.update(static_cast<double>(finished) / static_cast<double>(missing.size()),
                        finished);
        return database.add(study, points[missing[i]], result);
      });
  progress.done();
  if (!ran) return ran.error();
  std::vector<analysis::JobResult> results;
  for (auto& [place, result] : *done) results.push_back(std::move(result));
  return results;
}

ExitCode study(const StudyArguments& arguments, analysis::Crew& crew) {
  const auto read = analysis::read_study(arguments.study, arguments.settings);
  if (!read) return fail(read.error());
  auto database = analysis::StudyDatabase::open(
      arguments.database.empty() ? read->name + ".sqlite" : arguments.database, *read);
  if (!database) return fail(database.error());
  auto results = run_points(*read, *database, crew, arguments.quiet);
  if (!results) return fail(results.error());
  const analysis::StudyTable table = analysis::make_table(*read, *std::move(results));

  const NoInterrupts until_all_is_written;
  std::vector<std::string> written;
  for (const auto& [path, text] : {std::pair(arguments.csv, &analysis::study_csv),
                                   std::pair(arguments.html, &analysis::study_html)}) {
    if (path.empty()) continue;
    if (const auto done = write_file(path, text(table)); !done) return fail(done.error());
    written.push_back(path);
  }
  if (arguments.quiet) return ExitCode::kOk;
  std::fputs(analysis::study_text(table).c_str(), stdout);
  for (const std::string& path : written) std::printf("wrote %s\n", path.c_str());
  return ExitCode::kOk;
}

}  // namespace

Command study_command() {
  auto arguments = std::make_shared<StudyArguments>();
  return {
      .name = "study",
      .sentence = "run a grid of clusters and loads, kept in one SQLite file",
      .arguments = {{.name = "STUDY",
                     .into = &arguments->study,
                     .sentence = "a YAML file; `scsim help studies` lists its keys",
                     .required = true,
                     .completes = Completes::kFile},
                    {.name = "--db",
                     .value_name = "FILE",
                     .into = &arguments->database,
                     .sentence =
                         "the SQLite file, which a study goes on with; NAME.sqlite in this folder "
                         "unless given, :memory: to keep nothing",
                     .completes = Completes::kFile},
                    {.name = "--csv",
                     .value_name = "FILE",
                     .into = &arguments->csv,
                     .sentence = "write a line for each run",
                     .completes = Completes::kFile},
                    {.name = "--html",
                     .value_name = "FILE",
                     .into = &arguments->html,
                     .sentence = "write a report with charts",
                     .completes = Completes::kFile},
                    {.name = "--set",
                     .value_name = "KEY=VALUE",
                     .into = &arguments->settings,
                     .sentence =
                         "a key of the study, such as replicates=5 or vary[0].values=[1,2]"},
                    threads_argument(arguments->threads),
                    quiet_flag(arguments->quiet)},
      .run = [arguments] {
        return with_crew(arguments->threads, [&](analysis::Crew& crew, analysis::Workloads&) {
          return study(*arguments, crew);
        });
      }};
}

}  // namespace scsim::program
