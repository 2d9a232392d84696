// Times as logs write them: numbers in a stated unit, or ISO 8601.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "traces/expected.h"
#include "traces/trace_format.h"

namespace scsim {

enum class TimeUnit { kSeconds, kMilliseconds, kMicroseconds, kNanoseconds };

// "s", "ms", "us", "ns".
Expected<TimeUnit> parse_time_unit(std::string_view text);

// The option "time_unit" of an import.
Expected<TimeUnit> time_unit_option(const ImportOptions& options);

// Nanoseconds since the origin of the number, or since 1970 for text such as
// "2023-11-16 18:17:03.9799600", "2024-05-10T00:00:00.009930+02:00", "2024-05-10T00:00:00Z" (UTC
// where no offset is given). Decimal digits are taken as they are: nothing passes through a double.
// Digits beyond nanoseconds are dropped.
Expected<std::int64_t> parse_log_time(std::string_view text, TimeUnit unit);

}  // namespace scsim
