#include "traces/log_time.h"

#include <chrono>
#include <limits>
#include <optional>
#include <vector>

#include "traces/text.h"

namespace scsim {
namespace {

// Beyond this a sum or difference of two times could overflow. As a date: the year 2116.
constexpr std::int64_t kLatest = std::numeric_limits<std::int64_t>::max() / 2;
constexpr std::int64_t kSecond = 1'000'000'000;

int decimals_of(TimeUnit unit) {  // of one unit in nanoseconds
  switch (unit) {
    case TimeUnit::kSeconds:
      return 9;
    case TimeUnit::kMilliseconds:
      return 6;
    case TimeUnit::kMicroseconds:
      return 3;
    case TimeUnit::kNanoseconds:
      return 0;
  }
  return 0;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Reads from the front of a text; every step says whether it could.
struct Scanner {
  std::string_view rest;

  bool take(char c) {
    if (rest.empty() || rest.front() != c) return false;
    rest.remove_prefix(1);
    return true;
  }
  // Exactly `width` digits.
  std::optional<int> digits(std::size_t width) {
    if (rest.size() < width) return std::nullopt;
    int value = 0;
    for (std::size_t i = 0; i < width; ++i) {
      if (!is_digit(rest[i])) return std::nullopt;
      value = value * 10 + (rest[i] - '0');
    }
    rest.remove_prefix(width);
    return value;
  }
  // The digits of a fraction, as a number of 10^-decimals.
  std::int64_t fraction(int decimals) {
    std::int64_t value = 0;
    for (int i = 0; i < decimals; ++i) {
      bool more = !rest.empty() && is_digit(rest.front());
      value = value * 10 + (more ? rest.front() - '0' : 0);
      if (more) rest.remove_prefix(1);
    }
    while (!rest.empty() && is_digit(rest.front())) rest.remove_prefix(1);
    return value;
  }
};

// [-]digits[.digits], times 10^decimals.
std::optional<std::int64_t> parse_decimal(std::string_view text, int decimals) {
  Scanner scan{text};
  bool negative = scan.take('-');
  if (scan.rest.empty() || !is_digit(scan.rest.front())) return std::nullopt;
  std::int64_t value = 0;
  for (; !scan.rest.empty() && is_digit(scan.rest.front()); scan.rest.remove_prefix(1)) {
    if (value > kLatest / 10) return std::nullopt;
    value = value * 10 + (scan.rest.front() - '0');
  }
  for (int i = 0; i < decimals; ++i) {
    if (value > kLatest / 10) return std::nullopt;
    value *= 10;
  }
  if (scan.take('.')) value += scan.fraction(decimals);
  if (!scan.rest.empty()) return std::nullopt;
  return negative ? -value : value;
}

std::optional<std::int64_t> parse_iso(std::string_view text) {
  Scanner scan{text};
  auto year = scan.digits(4);
  if (!year || !scan.take('-')) return std::nullopt;
  auto month = scan.digits(2);
  if (!month || !scan.take('-')) return std::nullopt;
  auto day = scan.digits(2);
  if (!day || !(scan.take('T') || scan.take(' '))) return std::nullopt;
  auto hour = scan.digits(2);
  if (!hour || !scan.take(':')) return std::nullopt;
  auto minute = scan.digits(2);
  if (!minute) return std::nullopt;
  std::optional<int> second = 0;
  std::int64_t fraction_ns = 0;
  if (scan.take(':')) {
    second = scan.digits(2);
    if (!second) return std::nullopt;
    if (scan.take('.') || scan.take(',')) fraction_ns = scan.fraction(9);
  }
  int offset_minutes = 0;
  if (!scan.take('Z') && !scan.rest.empty()) {
    int sign = scan.take('-') ? -1 : scan.take('+') ? 1 : 0;
    auto offset_hours = scan.digits(2);
    if (sign == 0 || !offset_hours) return std::nullopt;
    scan.take(':');
    offset_minutes =
        sign * (*offset_hours * 60 + (scan.rest.empty() ? 0 : scan.digits(2).value_or(0)));
  }
  std::chrono::year_month_day date{std::chrono::year(*year),
                                   std::chrono::month(static_cast<unsigned>(*month)),
                                   std::chrono::day(static_cast<unsigned>(*day))};
  if (!scan.rest.empty() || !date.ok() || *hour > 23 || *minute > 59 || *second > 60)
    return std::nullopt;
  std::int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  std::int64_t seconds = ((days * 24 + *hour) * 60 + *minute - offset_minutes) * 60 + *second;
  if (seconds > kLatest / kSecond || seconds < -kLatest / kSecond) return std::nullopt;
  return seconds * kSecond + fraction_ns;
}

}  // namespace

Expected<TimeUnit> parse_time_unit(std::string_view text) {
  if (text == "s") return TimeUnit::kSeconds;
  if (text == "ms") return TimeUnit::kMilliseconds;
  if (text == "us") return TimeUnit::kMicroseconds;
  if (text == "ns") return TimeUnit::kNanoseconds;
  const std::vector<std::string> known = {"s", "ms", "us", "ns"};
  return Error{unknown_name("unit of time", text, known)};
}

Expected<TimeUnit> time_unit_option(const ImportOptions& options) {
  Expected<TimeUnit> unit = parse_time_unit(options.text("time_unit"));
  if (!unit) return Error{"option time_unit: " + unit.error().message};
  return unit;
}

Expected<std::int64_t> parse_log_time(std::string_view text, TimeUnit unit) {
  std::string_view trimmed = trim(text);
  std::optional<std::int64_t> time = trimmed.size() > 4 && trimmed[4] == '-'
                                         ? parse_iso(trimmed)
                                         : parse_decimal(trimmed, decimals_of(unit));
  if (!time && trimmed.find_first_of("eE") != trimmed.npos) {  // 1.7e9: a number after all
    Expected<double> number = parse_double(trimmed);
    if (number) {
      double ns = *number * static_cast<double>(parse_decimal("1", decimals_of(unit)).value());
      if (ns > -4e18 && ns < 4e18) time = static_cast<std::int64_t>(ns + (ns < 0 ? -0.5 : 0.5));
    }
  }
  if (!time) {
    return Error{"expected a time (a number, or such as 2024-05-10T12:00:00.5Z), found \"" +
                 std::string(text) + "\""};
  }
  return *time;
}

}  // namespace scsim
