// What the machine tells of a turn beside its seconds: memory at most, energy where it has
// counters.
#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <memory>
#include <optional>

#include "exec/session/energy.h"
#include "exec/session/run_session.h"

namespace scsim::exec {

// The most memory that this process had resident since reset_peak_memory(), in bytes.
std::optional<std::int64_t> peak_memory();
void reset_peak_memory();  // where the kernel lets us

// Of the machine's CPUs and their memory, and of the device where it is a GPU.
EnergyMeter energy_meter(c10::Device device);

// Sets before_turn and after_turn.
void attach_meters(SessionOptions& options, std::shared_ptr<EnergyMeter> energy);

}  // namespace scsim::exec
