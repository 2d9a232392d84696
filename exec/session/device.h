// Devices by the names people give them: "cpu", "cuda", "cuda:1".
#pragma once

#include <c10/core/Device.h>

#include <string>

#include "traces/calibration.h"
#include "traces/expected.h"

namespace scsim::exec {

// The error says what is missing. libtorch's CUDA half is loaded when a CUDA device is asked for,
// and not before: programs on CPUs do without it.
Expected<c10::Device> open_device(const std::string& name);

// What calibrations say of it, as the machine tells; threads are those that libtorch computes with.
// A device's driver and memory are not asked for, and stay empty and 0.
CalibrationDevice describe_device(c10::Device device);
// In words: "steady clock", "events of the device's stream".
std::string clock_description(c10::Device device);

}  // namespace scsim::exec
