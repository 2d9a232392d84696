// Devices by the names people give them: "cpu", "cuda", "cuda:1".
#pragma once

#include <c10/core/Device.h>

#include <optional>
#include <string>

#include "exec/session/nvml.h"
#include "traces/calibration.h"
#include "traces/expected.h"

namespace scsim::exec {

// The error says what is missing. libtorch's CUDA half is loaded when a CUDA device is asked for,
// and not before: programs on CPUs do without it.
Expected<c10::Device> open_device(const std::string& name);

// What calibrations say of it, as the machine tells; threads are those that libtorch computes with.
// Of a GPU, driver and memory are what NVML says; where it is not there they stay empty and 0.
CalibrationDevice describe_device(c10::Device device);
// What NVML says of a CUDA device that was opened.
std::optional<Gpu> gpu_of(c10::Device device);
// In words: "steady clock", "events of the device's stream".
std::string clock_description(c10::Device device);

}  // namespace scsim::exec
