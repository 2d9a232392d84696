#include "exec/session/meters.h"

#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "exec/session/device.h"
#include "exec/session/rapl.h"
#include "traces/files.h"
#include "traces/text.h"

namespace scsim::exec {

std::optional<std::int64_t> peak_memory() {
  const Expected<std::string> status = read_file("/proc/self/status");
  if (!status) return std::nullopt;
  for (const std::string& line : split(*status, '\n')) {  // "VmHWM:     12345 kB"
    if (!line.starts_with("VmHWM:")) continue;
    const std::string_view number = trim(std::string_view(line).substr(6, line.size() - 6 - 2));
    const Expected<std::int64_t> kib = parse_integer(number);
    if (kib) return *kib * 1024;
  }
  return std::nullopt;
}

void reset_peak_memory() {
  if (const FileHandle file{std::fopen("/proc/self/clear_refs", "w")}; file) {
    std::fputs("5", file.get());
  }
}

EnergyMeter energy_meter(c10::Device device) {
  std::vector<EnergyCounter> counters = rapl_counters().counters;
  if (device.is_cuda()) {
    const std::optional<Gpu> gpu = gpu_of(device);
    if (gpu && gpu->energy) counters.push_back(*gpu->energy);
  }
  return EnergyMeter(std::move(counters));
}

void attach_meters(SessionOptions& options, std::shared_ptr<EnergyMeter> energy) {
  options.before_turn = [energy] {
    reset_peak_memory();
    energy->start();
  };
  options.after_turn = [energy](TurnRecord& record) {
    record.energy_joules = energy->stop();
    record.peak_memory_bytes = peak_memory();
  };
}

}  // namespace scsim::exec
