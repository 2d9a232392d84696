// A number of somebody's log that is out of its range, said in one way by all readers.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "traces/expected.h"
#include "traces/text.h"

namespace scsim {

// "input_length: expected at least 1, found 0".
inline Expected<void> check_range(std::string_view name, std::int64_t value, std::int64_t min,
                                  std::int64_t max) {
  if (value >= min && value <= max) return {};
  return Error{std::string(name) + ": expected at " +
               (value < min ? "least " + format_integer(min) : "most " + format_integer(max)) +
               ", found " + format_integer(value)};
}

}  // namespace scsim
