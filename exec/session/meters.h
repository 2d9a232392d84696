// What the machine tells of a turn beside its seconds: memory at most, energy where it has
// counters.
#pragma once

#include <cstdint>
#include <optional>

#include "exec/session/run_session.h"

namespace scsim::exec {

// The most memory that this process had resident since reset_peak_memory(), in bytes.
std::optional<std::int64_t> peak_memory();
void reset_peak_memory();  // where the kernel lets us

// Sets before_turn and after_turn.
void attach_meters(SessionOptions& options);

}  // namespace scsim::exec
