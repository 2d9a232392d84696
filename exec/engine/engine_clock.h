// What time it is for an engine, by one of two clocks.
//
// Wall: the steady clock, from the first reading on. Waiting really waits.
// CPU: time that passes as the process computes: its CPU seconds divided by the threads that
// compute. A step takes what it computed, whatever else the machine did meanwhile; between steps no
// time passes, and waiting jumps. Seconds in which not all threads compute count less than they
// took, and threads that spin while they wait count as computing: with one thread neither happens.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "exec/api/stage_clock.h"
#include "traces/expected.h"
#include "traces/time.h"

namespace scsim::exec {

class EngineClock {
 public:
  virtual ~EngineClock() = default;
  virtual std::string description() const = 0;  // "process CPU time of 1 thread"
  virtual Timeline& timeline() = 0;             // what steps are measured with
  virtual TimePoint now() = 0;
  // Returns at `then`, or somewhat earlier for a look at other things.
  virtual void wait_until(TimePoint then) = 0;
  // A step took so long.
  virtual void stepped(Duration) = 0;
  // Within a step nothing was computed for so many seconds, for want of bytes: time all the same.
  virtual void waited(double seconds) = 0;
};

// "wall" or "cpu".
Expected<std::unique_ptr<EngineClock>> make_engine_clock(const std::string& name, int threads);

}  // namespace scsim::exec
