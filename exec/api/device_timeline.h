// The timeline of a device: the wall's on the CPU, events on the stream under way elsewhere.
#pragma once

#include <c10/core/Device.h>

#include <memory>

#include "exec/api/stage_clock.h"

namespace scsim::exec {

std::unique_ptr<Timeline> timeline_for(at::Device device);

}  // namespace scsim::exec
