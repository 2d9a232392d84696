// Time that passes as this process computes.
#pragma once

#include <memory>
#include <string>

#include "exec/api/stage_clock.h"

namespace scsim::exec {

// The process's CPU seconds divided by `threads`, those that compute: what other processes take of
// the machine is left out. Seconds in which not all of them compute count less than they took, and
// threads that spin while they wait count as computing; with one thread neither happens.
std::unique_ptr<Timeline> cpu_timeline(int threads);
std::string cpu_clock_description(int threads);  // "process CPU time of 1 thread"

}  // namespace scsim::exec
