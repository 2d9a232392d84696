// The whole crossed design on one model, measured and written sample by sample.
//
//   Expected<CalibrationReport> report = calibrate(model, options, "cal.pb", hear);
//
// What is there already is not measured again (traces/calibration.h): killed at any moment, a
// calibration goes on where it was and loses at most the sample in flight. Every start of the
// program first runs one session that does not count, to warm up and to tell how long the rest will
// take.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "exec/session/loaded_model.h"
#include "exec/session/session_source.h"
#include "methods/method.h"
#include "traces/calibration.h"
#include "traces/expected.h"

namespace scsim::exec {

struct CalibrateOptions {
  SessionDesign sessions;
  std::vector<methods::MethodChoice> methods;
  std::vector<std::int64_t> lengths;  // tokens of context
  std::vector<SessionMode> modes;
  int repeats = 1;
  std::string commit, made_by;  // of the program; the command line
};

// What the file says of it. All methods but full attention are compared with it token by token,
// whether or not it is among them, where golden answers make their conversations the same.
CalibrationDesign make_design(const LoadedModel& model, const CalibrateOptions& options,
                              const SessionSource& source);

struct CalibrateNews {
  double fraction = 0;       // of all samples' estimated seconds
  std::int64_t samples = 0;  // there
  std::string sentence;      // not empty: to be told once
};

struct CalibrationReport {
  std::int64_t measured = 0, resumed = 0;
  double seconds = 0;  // of this start
};

Expected<CalibrationReport> calibrate(LoadedModel& model, const CalibrateOptions& options,
                                      const std::string& path,
                                      const std::function<void(const CalibrateNews&)>& hear);

}  // namespace scsim::exec
