// Service classes as traces and results store them: a target of 0 is none.
#pragma once

#include "traces/expected.h"
#include "traces/proto/trace.pb.h"
#include "traces/trace.h"

namespace scsim {

// REQUIRES: targets from 0 to kLatestArrival.
proto::SloClass to_message(const SloClass& slo);
Expected<SloClass> from_message(const proto::SloClass& message);

}  // namespace scsim
