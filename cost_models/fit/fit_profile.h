// From calibrations to a profile.
//
//   Expected<Profile> profile = fit_profile({{"a.pb", *read_calibration("a.pb")}, ...});
//
// Per method and stage the seconds of a turn are fitted to the stage's ledger (drivers.h) by robust
// non-negative least squares (least_squares.h); likewise each operator that `scexec kernels`
// sampled. Every fit is done again without each length, each session, and for operators each batch
// size, and says how far off it was on what was held out; "method" is how far off a stage of one
// method is when only the others are known.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "traces/calibration.h"
#include "traces/expected.h"
#include "traces/profile.h"

namespace scsim::cost_models {

struct CalibrationFile {
  std::string path;
  Calibration calibration;
};

// A stage that takes less than this share of a method's time is fitted, but nobody needs to mind
// how well.
inline constexpr double kNegligibleShare = 0.005;

// One sample beside its fit: what plots of residuals are made of.
struct Residual {
  int method = kOperatorFit;
  std::string fit, where;           // stage or operator; which sample
  double measured = 0, fitted = 0;  // seconds
  std::vector<std::pair<std::string, double>> drivers;
};

// The error says which files are of different models or devices, or that there is nothing to fit.
// `residuals`, where wanted, gets every sample.
Expected<Profile> fit_profile(const std::vector<CalibrationFile>& files,
                              std::vector<Residual>* residuals = nullptr);

// How right a method is at a length between two measured ones: on the line between them in the
// logarithm of the length, so never outside of the two. Nothing outside of what was measured.
struct Accuracy {
  double strict = 0, compat = 0;
  std::int64_t sessions = 0;  // of the cell with fewer
  bool interpolated = false;
};
std::optional<Accuracy> accuracy_at(const Profile& profile, int method, const std::string& task,
                                    SessionMode mode, int turn, double tokens);

// The same as a sum: numbers of the profile's accuracy cells, and which part of each it is; two, or
// twice the same one.
struct AccuracyBetween {
  std::size_t below = 0, above = 0;
  double part = 0;  // of the one above; the rest of the one below
};
std::optional<AccuracyBetween> cells_around(const Profile& profile, int method,
                                            const std::string& task, SessionMode mode, int turn,
                                            double tokens);

}  // namespace scsim::cost_models
