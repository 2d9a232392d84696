// The first record of every file says what the file is. Readers take every version up to their own
// and refuse newer ones by name.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "traces/expected.h"
#include "traces/proto/trace.pb.h"
#include "traces/trace.h"

namespace scsim {

inline constexpr std::string_view kTraceFormat = "scsim.trace";
inline constexpr std::uint32_t kTraceVersion = 1;
inline constexpr std::string_view kResultFormat = "scsim.result";
inline constexpr std::uint32_t kResultVersion = 2;
inline constexpr std::string_view kCalibrationFormat = "scsim.calibration";
inline constexpr std::uint32_t kCalibrationVersion = 1;
inline constexpr std::string_view kProfileFormat = "scsim.profile";
inline constexpr std::uint32_t kProfileVersion = 1;

proto::FileHeader to_file_header(const TraceHeader& header, std::string_view format,
                                 std::uint32_t version);
TraceHeader from_file_header(const proto::FileHeader& header);

// An error if the file is of another format, or newer than `newest`.
Expected<void> check_file_header(const proto::FileHeader& header, std::string_view format,
                                 std::uint32_t newest, const std::string& path);

}  // namespace scsim
