// Samples taken one after another and kept as they come: what `scexec kernels` and `scexec steps`
// share.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "traces/calibration.h"
#include "traces/expected.h"

namespace scsim::exec {

// Measures what of `plan` is not there yet, with progress on stderr, counted in `noun`s, and gives
// it. `out` is a calibration of `design` that grows by each sample and is finished at the end;
// empty: none. The error is the file's or the first of `measure`.
Expected<std::vector<OperatorSample>> sweep(
    std::vector<OperatorSample> plan, const std::string& noun, const std::string& out,
    const CalibrationDesign& design, const std::string& made_by,
    const std::function<Expected<void>(OperatorSample&)>& measure);

}  // namespace scsim::exec
