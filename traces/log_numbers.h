// Numbers in fields of somebody's log, and what is wrong with them, said in one way by all readers.
#pragma once

#include <cstdint>
#include <string_view>

#include "traces/expected.h"

namespace scsim {

// "input_length: expected at least 1, found 0".
Expected<void> check_range(std::string_view name, std::int64_t value, std::int64_t min,
                           std::int64_t max);

// "4808", or "4808.0" as data frames write it.
Expected<std::int64_t> parse_whole_number(std::string_view name, std::string_view text,
                                          std::int64_t min, std::int64_t max);

}  // namespace scsim
