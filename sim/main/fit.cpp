// `scsim fit cal.pb... -o profile.pb`: what calibrations say about cost and accuracy, fitted.
#include <cstdio>
#include <memory>
#include <utility>

#include "cost_models/fit/fit_profile.h"
#include "cost_models/fit/profile_text.h"
#include "sim/main/commands.h"
#include "traces/files.h"
#include "traces/profile.h"
#include "traces/program/command_line.h"
#include "traces/program/terminal.h"

namespace scsim::program {
namespace {

struct FitArguments {
  std::vector<std::string> calibrations;
  std::string out, csv, residuals;
  bool quiet = false;
};

std::string made_by(const FitArguments& arguments) {
  std::vector<std::string> words = {"fit"};
  words.insert(words.end(), arguments.calibrations.begin(), arguments.calibrations.end());
  return quoted_command_line(words);
}

ExitCode fit(const FitArguments& arguments) {
  std::vector<cost_models::CalibrationFile> files;
  for (const std::string& path : arguments.calibrations) {
    Expected<Calibration> calibration = read_calibration(path);
    if (!calibration) return fail(calibration.error());
    files.push_back({path, *std::move(calibration)});
  }
  std::vector<cost_models::Residual> residuals;
  const Expected<Profile> profile = cost_models::fit_profile(files, &residuals);
  if (!profile) return fail(profile.error());
  if (!arguments.csv.empty()) {
    const auto written = write_file(arguments.csv, cost_models::profile_csv(*profile));
    if (!written) return fail(written.error());
  }
  if (!arguments.residuals.empty()) {
    const auto written =
        write_file(arguments.residuals, cost_models::residuals_csv(*profile, residuals));
    if (!written) return fail(written.error());
  }
  if (!arguments.out.empty()) {
    const auto written = write_profile(arguments.out, *profile, made_by(arguments));
    if (!written) return fail(written.error());
  }
  if (arguments.quiet) return ExitCode::kOk;
  std::fputs(cost_models::profile_text(*profile).c_str(), stdout);
  for (const std::string& path : {arguments.csv, arguments.residuals, arguments.out}) {
    if (!path.empty()) std::printf("wrote %s\n", path.c_str());
  }
  return ExitCode::kOk;
}

}  // namespace

Command fit_command() {
  auto arguments = std::make_shared<FitArguments>();
  FitArguments& a = *arguments;
  return {.name = "fit",
          .sentence = "costs per stage and accuracy out of calibrations, with their errors",
          .arguments = {{.name = "CAL.pb",
                         .into = &a.calibrations,
                         .sentence = "what `scexec calibrate` or `scexec kernels` wrote, of one "
                                     "model on one device",
                         .required = true,
                         .completes = Completes::kFile},
                        {.name = "--out,-o",
                         .value_name = "PROFILE.pb",
                         .into = &a.out,
                         .sentence = "the profile",
                         .completes = Completes::kFile},
                        {.name = "--csv",
                         .value_name = "FILE",
                         .into = &a.csv,
                         .sentence = "every number of it, one a line",
                         .completes = Completes::kFile},
                        {.name = "--residuals",
                         .value_name = "FILE",
                         .into = &a.residuals,
                         .sentence = "every sample beside its fit, as CSV",
                         .completes = Completes::kFile},
                        {.name = "--quiet,-q", .into = &a.quiet, .sentence = "print nothing"}},
          .run = [arguments] { return fit(*arguments); }};
}

}  // namespace scsim::program
