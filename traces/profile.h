// Profile: what calibrations say about cost and accuracy, fitted, with errors. `scsim fit` writes
// it, the simulator reads it. It belongs to one model on one device.
//
//   Expected<Profile> profile = read_profile("profile.pb");
//   profile->fits[i].coefficients, profile->accuracy
//
// A fit says how many seconds a stage of a turn takes, as a sum of coefficients times drivers, and
// how far it was off on samples that it had not seen. The unit of every field is in
// traces/proto/profile.proto.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "traces/calibration.h"
#include "traces/expected.h"

namespace scsim {

struct ProfileSource {
  std::string path, made_by, commit;
  std::int64_t samples = 0, first_unix_ns = 0, last_unix_ns = 0;
  friend bool operator==(const ProfileSource&, const ProfileSource&) = default;
};

// Seconds per unit of a driver (cost_models/fit/drivers.h), and where the driver was sampled: a
// prediction outside of that range is an extrapolation.
struct ProfileCoefficient {
  std::string driver;
  double seconds = 0, standard_error = 0, least = 0, most = 0;
  friend bool operator==(const ProfileCoefficient&, const ProfileCoefficient&) = default;
};

// Relative errors of predictions by fits to all but one length, session, method or batch size.
struct HeldOutError {
  std::string what;
  std::int64_t samples = 0;
  double median = 0, p90 = 0;
  friend bool operator==(const HeldOutError&, const HeldOutError&) = default;
};

struct WorstSample {
  std::string where;
  double measured = 0, fitted = 0;  // seconds
  friend bool operator==(const WorstSample&, const WorstSample&) = default;
};

inline constexpr int kOperatorFit = -1;

struct ProfileFit {
  int method = kOperatorFit;  // position in the design's methods
  std::string name;           // of the stage, or of the operator
  std::vector<ProfileCoefficient> coefficients;
  std::vector<double> covariance;  // of the coefficients, row by row
  std::int64_t samples = 0;
  double share = 0;  // of the method's measured seconds
  std::vector<HeldOutError> held_out;
  std::vector<WorstSample> worst;  // the furthest off first
  friend bool operator==(const ProfileFit&, const ProfileFit&) = default;
};

struct AccuracyCell {
  int method = 0;    // position in the design's methods
  std::string task;  // of mixed tasks "task/sub-task"
  SessionMode mode = SessionMode::kMultiTurn;
  int turn = 0;  // from 0
  std::int64_t tokens = 0, sessions = 0;
  double strict = 0, compat = 0;  // means over sessions
  friend bool operator==(const AccuracyCell&, const AccuracyCell&) = default;
};

// Of the causal (query, key) pairs of a prefill, those that the method attended: what the data
// decide, measured.
struct AttentionDensity {
  int method = 0;
  std::int64_t tokens = 0, samples = 0;
  double mean = 0, deviation = 0;
  friend bool operator==(const AttentionDensity&, const AttentionDensity&) = default;
};

struct Profile {
  CalibrationDesign design;  // of all calibrations together
  std::vector<ProfileSource> sources;
  std::vector<std::string> honesty;
  std::vector<ProfileFit> fits;
  std::vector<AccuracyCell> accuracy;
  std::vector<AttentionDensity> densities;
};

Expected<void> write_profile(const std::string& path, const Profile& profile,
                             std::string_view made_by);
Expected<Profile> read_profile(const std::string& path);

}  // namespace scsim
