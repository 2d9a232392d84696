#include "exec/main/lists.h"

#include <algorithm>

#include "traces/text.h"

namespace scsim::exec {

Expected<std::vector<std::int64_t>> number_list(const std::string& name, const std::string& text,
                                                std::int64_t min) {
  std::vector<std::int64_t> numbers;
  for (const std::string& piece : split(text, ',')) {
    const Expected<std::int64_t> number = parse_integer(trim(piece));
    if (!number) return Error{name + ": " + number.error().message};
    if (*number < min) {
      return Error{name + ": expected numbers from " + std::to_string(min) + ", found " +
                   std::to_string(*number)};
    }
    numbers.push_back(*number);
  }
  std::ranges::sort(numbers);
  if (std::ranges::adjacent_find(numbers) != numbers.end()) {
    return Error{name + ": a number is listed twice in \"" + text + "\""};
  }
  return numbers;
}

Expected<SessionMode> session_mode(const std::string& name) {
  const std::vector<std::string> known(kSessionModeNames.begin(), kSessionModeNames.end());
  const auto found = std::ranges::find(known, name);
  if (found == known.end()) return Error{unknown_name("mode", name, known)};
  return static_cast<SessionMode>(found - known.begin());
}

}  // namespace scsim::exec
