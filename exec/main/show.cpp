// scexec show: the tables of calibrations, and whether a second one agrees with a first.
#include <cstdio>
#include <filesystem>
#include <memory>

#include "exec/main/commands.h"
#include "exec/show/compare.h"
#include "exec/show/losses.h"
#include "exec/show/tables.h"
#include "traces/calibration.h"
#include "traces/files.h"

namespace scsim::exec {
namespace {

using program::Command;
using program::Completes;
using program::ExitCode;
using program::fail;

struct Arguments {
  std::vector<std::string> paths;
  std::string csv, html;
  bool json = false, compare = false, losses = false;
};

// A run that is under way, or was stopped, is shown as far as it goes.
bool is_partial(const std::string& path) { return path.ends_with(".partial"); }

Expected<Calibration> read(const std::string& path) {
  Expected<Calibration> calibration =
      is_partial(path) ? read_partial_calibration(path) : read_calibration(path);
  std::error_code ignored;
  if (!calibration && !std::filesystem::exists(path, ignored) &&
      std::filesystem::exists(path + ".partial", ignored))
    return Error{path + ": is not finished; " + path + ".partial has what there is so far"};
  return calibration;
}

ExitCode show_losses(const Arguments& arguments) {
  std::string text;
  for (const std::string& path : arguments.paths) {
    const Expected<Calibration> calibration = read(path);
    if (!calibration) return fail(calibration.error());
    text += (text.empty() ? "" : "\n") + losses_text(losses(*calibration), *calibration);
  }
  std::fputs(text.c_str(), stdout);
  return ExitCode::kOk;
}

ExitCode run(const Arguments& arguments) {
  if (arguments.compare && arguments.paths.size() != 2)
    return fail("--compare takes two calibrations", ExitCode::kUsageError);
  if (arguments.compare && arguments.json)
    return fail("--compare prints text; it goes without --json", ExitCode::kUsageError);
  if (arguments.losses &&
      (arguments.compare || arguments.json || !arguments.csv.empty() || !arguments.html.empty()))
    return fail("--losses prints a table of its own; it goes alone", ExitCode::kUsageError);
  if (arguments.losses) return show_losses(arguments);
  std::vector<Tables> files;
  for (const std::string& path : arguments.paths) {
    const Expected<Calibration> calibration = read(path);
    if (!calibration) return fail(calibration.error());
    files.push_back(make_tables(*calibration, path, is_partial(path)));
  }
  if (!arguments.csv.empty()) {
    if (auto written = write_file(arguments.csv, tables_csv(files)); !written)
      return fail(written.error());
  }
  if (!arguments.html.empty()) {
    if (auto written = write_file(arguments.html, tables_html(files)); !written)
      return fail(written.error());
  }
  std::string text;
  if (arguments.json) {
    text = tables_json(files);
  } else if (arguments.compare) {
    text = comparison_text(compare_tables(files[0], files[1]), files[0], files[1]);
  } else {
    for (const Tables& tables : files) text += (text.empty() ? "" : "\n\n") + tables_text(tables);
  }
  std::fputs(text.c_str(), stdout);
  return ExitCode::kOk;
}

}  // namespace

Command show_command() {
  auto arguments = std::make_shared<Arguments>();
  return {.name = "show",
          .sentence = "print the tables of calibrations: scores with intervals, costs by stage",
          .arguments = {{.name = "CAL.pb",
                         .into = &arguments->paths,
                         .sentence = "what `scexec calibrate` or `scexec kernels` wrote; "
                                     "CAL.pb.partial while it runs",
                         .required = true,
                         .completes = Completes::kFile},
                        {.name = "--compare",
                         .into = &arguments->compare,
                         .sentence = "say whether two agree within their error bars"},
                        {.name = "--losses",
                         .into = &arguments->losses,
                         .sentence = "say what each method loses against full attention, at first "
                                     "and later questions"},
                        {.name = "--csv",
                         .value_name = "FILE",
                         .into = &arguments->csv,
                         .sentence = "write every number there, one a line",
                         .completes = Completes::kFile},
                        {.name = "--html",
                         .value_name = "FILE",
                         .into = &arguments->html,
                         .sentence = "write a page with charts that fetches nothing",
                         .completes = Completes::kFile},
                        {.name = "--json",
                         .into = &arguments->json,
                         .sentence = "print every number as JSON instead"}},
          .run = [arguments] { return run(*arguments); }};
}

}  // namespace scsim::exec
