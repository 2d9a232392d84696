#include "traces/log_numbers.h"

#include <string>

#include "traces/text.h"

namespace scsim {

Expected<void> check_range(std::string_view name, std::int64_t value, std::int64_t min,
                           std::int64_t max) {
  if (value >= min && value <= max) return {};
  return Error{std::string(name) + ": expected at " +
               (value < min ? "least " + format_integer(min) : "most " + format_integer(max)) +
               ", found " + format_integer(value)};
}

Expected<std::int64_t> parse_whole_number(std::string_view name, std::string_view text,
                                          std::int64_t min, std::int64_t max) {
  std::string_view whole = trim(text);
  if (const std::size_t dot = whole.find('.'); dot != whole.npos) {
    const bool only_zeros = whole.find_first_not_of('0', dot + 1) == whole.npos;
    if (only_zeros) whole = whole.substr(0, dot);
  }
  Expected<std::int64_t> value = parse_integer(whole);
  if (!value) {
    return Error{std::string(name) + ": expected a whole number, found \"" + std::string(text) +
                 "\""};
  }
  if (Expected<void> ok = check_range(name, *value, min, max); !ok) return ok.error();
  return *value;
}

}  // namespace scsim
