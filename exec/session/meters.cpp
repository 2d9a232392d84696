#include "exec/session/meters.h"

#include <cstdio>
#include <string>

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

void attach_meters(SessionOptions& options) {
  options.before_turn = [] { reset_peak_memory(); };
  options.after_turn = [](TurnRecord& record) { record.peak_memory_bytes = peak_memory(); };
}

}  // namespace scsim::exec
