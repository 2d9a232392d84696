// Calibrations as messages, shared by the files that write and read them.
#pragma once

#include <string>

#include "traces/calibration.h"
#include "traces/expected.h"
#include "traces/proto/calibration.pb.h"

namespace scsim {

void fill_design(const CalibrationDesign& design, proto::CalibrationDesign& message);
void fill_session(const SessionSample& sample, proto::CalibrationSession& message);
void fill_operator(const OperatorSample& sample, proto::CalibrationOperator& message);

// What cannot be true of a sample, or of one of this design, is an error.
Expected<CalibrationDesign> take_design(const proto::CalibrationDesign& message);
Expected<SessionSample> take_session(const proto::CalibrationSession& message,
                                     const CalibrationDesign& design);
Expected<OperatorSample> take_operator(const proto::CalibrationOperator& message);

// The first field that differs, with both values: `device.threads is 2 there and 4 here`. Empty:
// they are the same.
std::string first_difference(const google::protobuf::Message& there,
                             const google::protobuf::Message& here);

}  // namespace scsim
