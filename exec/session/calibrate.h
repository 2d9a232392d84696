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

#include "exec/session/calibration_run.h"
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
  bool cpu_clock =
      false;  // seconds are the process's CPU time over its threads; a model on the CPU
  std::string commit, made_by;  // of the program; the command line
};

// A method as files list it.
CalibrationMethod describe_method(const methods::MethodChoice& choice);

// What the file says of the design, whatever is measured; not of model, device and clock.
CalibrationDesign make_design(const CalibrateOptions& options, const SessionSource& source);
// And of a model of our own. All methods but full attention are compared with it token by token,
// whether or not it is among them, where golden answers make their conversations the same.
CalibrationDesign make_design(const LoadedModel& model, const CalibrateOptions& options,
                              const SessionSource& source);

Expected<CalibrationReport> calibrate(LoadedModel& model, const CalibrateOptions& options,
                                      const std::string& path,
                                      const std::function<void(const CalibrateNews&)>& hear);

}  // namespace scsim::exec
