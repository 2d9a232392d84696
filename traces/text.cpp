#include "traces/text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <numeric>
#include <utility>

#include "traces/check.h"

namespace scsim {
namespace {

// Three significant digits of a value below 1000.
std::string three_digits(double value) {
  const double size = std::fabs(value);
  return format_fixed(value, size < 9.995 ? 2 : size < 99.95 ? 1 : 0);
}

std::string two_parts(std::int64_t small_units, std::int64_t per_big, const char* big,
                      const char* small) {
  const std::string rest = std::to_string(small_units % per_big);
  return std::to_string(small_units / per_big) + " " + big + (rest.size() < 2 ? " 0" : " ") + rest +
         " " + small;
}

struct UnitScale {
  std::string_view name;
  double factor;
};

constexpr std::array<UnitScale, 12> kByteUnits = {{{"B", 1},
                                                   {"KiB", 0x1p10},
                                                   {"MiB", 0x1p20},
                                                   {"GiB", 0x1p30},
                                                   {"TiB", 0x1p40},
                                                   {"PiB", 0x1p50},
                                                   {"KB", 1e3},
                                                   {"kB", 1e3},
                                                   {"MB", 1e6},
                                                   {"GB", 1e9},
                                                   {"TB", 1e12},
                                                   {"PB", 1e15}}};
constexpr std::array<UnitScale, 8> kTimeUnits = {{{"ns", 1e-9},
                                                  {"us", 1e-6},
                                                  {"µs", 1e-6},
                                                  {"ms", 1e-3},
                                                  {"s", 1},
                                                  {"min", 60},
                                                  {"h", 3600},
                                                  {"d", 86400}}};
constexpr std::array<UnitScale, 14> kByteRateUnits = {{{"B/s", 1},
                                                       {"KB/s", 1e3},
                                                       {"kB/s", 1e3},
                                                       {"MB/s", 1e6},
                                                       {"GB/s", 1e9},
                                                       {"TB/s", 1e12},
                                                       {"PB/s", 1e15},
                                                       {"KiB/s", 0x1p10},
                                                       {"MiB/s", 0x1p20},
                                                       {"GiB/s", 0x1p30},
                                                       {"TiB/s", 0x1p40},
                                                       {"Mbit/s", 125e3},
                                                       {"Gbit/s", 125e6},
                                                       {"Tbit/s", 125e9}}};
constexpr std::array<UnitScale, 5> kFlopUnits = {
    {{"FLOP/s", 1}, {"MFLOP/s", 1e6}, {"GFLOP/s", 1e9}, {"TFLOP/s", 1e12}, {"PFLOP/s", 1e15}}};
constexpr std::array<UnitScale, 1> kFractionUnits = {{{"%", 0.01}}};

Error not_a(std::string_view kind, std::string_view text, std::string_view example) {
  return Error{"expected " + std::string(kind) + " such as " + std::string(example) + ", found " +
               json_quote(text)};
}

// "80 GiB": a number, then one of the units, or none (factor 1).
Expected<double> parse_with_unit(std::string_view text, std::span<const UnitScale> units,
                                 std::string_view kind, std::string_view example) {
  const std::string_view all = trim(text);
  double value = 0;
  const auto [end, failure] = std::from_chars(all.data(), all.data() + all.size(), value);
  if (failure != std::errc() || !std::isfinite(value)) return not_a(kind, text, example);
  const std::string_view unit = trim(all.substr(static_cast<std::size_t>(end - all.data())));
  if (unit.empty()) return value;
  const auto found = std::ranges::find(units, unit, &UnitScale::name);
  if (found == units.end()) {
    std::string known;
    for (const UnitScale& each : units) {
      known += (known.empty() ? "" : ", ") + std::string(each.name);
    }
    return Error{"unknown unit in " + json_quote(text) + "; known: " + known};
  }
  // Units below one are divided by their exact inverse, so that "50 ms" is 0.05.
  if (found->factor < 1) return value / std::round(1 / found->factor);
  return value * found->factor;
}

template <class Integer>
Expected<Integer> parse_whole(std::string_view text, std::string_view kind) {
  const std::string_view all = trim(text);
  Integer value = 0;
  const auto [end, failure] = std::from_chars(all.data(), all.data() + all.size(), value);
  if (failure == std::errc::result_out_of_range) {
    return Error{"expected " + std::string(kind) + " of at most 64 bits, found " +
                 json_quote(text)};
  }
  if (failure != std::errc() || end != all.data() + all.size()) return not_a(kind, text, "42");
  return value;
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// Insertions, deletions, replacements and swaps of neighbours that turn `a` into `b`, case ignored.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  std::iota(last.begin(), last.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const bool same = lower(a[i - 1]) == lower(b[j - 1]);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (same ? 0 : 1)});
      if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
          lower(a[i - 2]) == lower(b[j - 1])) {
        row[j] = std::min(row[j], before[j - 2] + 1);
      }
    }
    std::swap(before, last);
    std::swap(last, row);
  }
  return last[b.size()];
}

// Length of the valid UTF-8 sequence at the start of `text`, 0 if there is none.
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  std::size_t length = 0;
  unsigned char low = 0x80, high = 0xBF;  // what the second byte may be
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) length = 2;
  if (lead >= 0xE0 && lead <= 0xEF) length = 3;
  if (lead >= 0xF0 && lead <= 0xF4) length = 4;
  if (lead == 0xE0) low = 0xA0;
  if (lead == 0xED) high = 0x9F;
  if (lead == 0xF0) low = 0x90;
  if (lead == 0xF4) high = 0x8F;
  if (length == 0 || text.size() < length || byte(1) < low || byte(1) > high) return 0;
  for (std::size_t i = 2; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  return length;
}

}  // namespace

std::string format_integer(std::int64_t value) {
  std::string digits = std::to_string(value);
  const std::ptrdiff_t first = digits[0] == '-' ? 1 : 0;
  for (std::ptrdiff_t at = std::ssize(digits) - 3; at > first; at -= 3) {
    digits.insert(static_cast<std::size_t>(at), ",");
  }
  return digits;
}

std::string format_fixed(double value, int decimals) {
  std::array<char, 512> buffer;
  const auto [end, failure] = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value,
                                            std::chars_format::fixed, decimals);
  SCSIM_CHECK(failure == std::errc());
  std::string text(buffer.data(), end);
  const bool zero = text.find_first_not_of("-0.") == std::string::npos;
  if (zero && text[0] == '-') text.erase(0, 1);
  return text;
}

std::string format_shortest(double value) {
  std::array<char, 64> buffer;
  const auto [end, failure] = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
  SCSIM_CHECK(failure == std::errc());
  return std::string(buffer.data(), end);
}

std::string format_seconds(double seconds) {
  if (!std::isfinite(seconds)) return format_shortest(seconds) + " s";
  if (seconds < 0) return "-" + format_seconds(-seconds);
  if (seconds == 0) return "0 s";
  if (seconds < 999.5e-9) return three_digits(seconds * 1e9) + " ns";
  if (seconds < 999.5e-6) return three_digits(seconds * 1e6) + " us";
  if (seconds < 999.5e-3) return three_digits(seconds * 1e3) + " ms";
  if (seconds < 59.95) return three_digits(seconds) + " s";
  if (seconds < 3599.5) return two_parts(std::llround(seconds), 60, "min", "s");
  if (seconds < 86370) return two_parts(std::llround(seconds / 60), 60, "h", "min");
  if (seconds < 1e15) return two_parts(std::llround(seconds / 3600), 24, "d", "h");
  return format_shortest(seconds) + " s";
}

std::string format_bytes(double bytes) {
  if (!std::isfinite(bytes)) return format_shortest(bytes) + " B";
  if (bytes < 0) return "-" + format_bytes(-bytes);
  constexpr std::array<std::string_view, 6> kUnits = {" B", " KiB", " MiB", " GiB", " TiB", " PiB"};
  std::size_t unit = 0;
  while (unit + 1 < kUnits.size() && bytes >= 999.5) {
    bytes /= 1024;
    ++unit;
  }
  std::string digits = three_digits(bytes);
  if (digits.find('.') != std::string::npos) {
    digits.erase(digits.find_last_not_of('0') + 1);
    if (digits.ends_with('.')) digits.pop_back();
  }
  return digits.append(kUnits[unit]);
}

std::string format_rate(double per_second) {
  if (!std::isfinite(per_second)) return format_shortest(per_second) + " /s";
  if (per_second < 0) return "-" + format_rate(-per_second);
  constexpr std::array<std::string_view, 6> kUnits = {" /s",  " k/s", " M/s",
                                                      " G/s", " T/s", " P/s"};
  std::size_t unit = 0;
  while (unit + 1 < kUnits.size() && per_second >= 999.5) {
    per_second /= 1000;
    ++unit;
  }
  return three_digits(per_second).append(kUnits[unit]);
}

std::string format_percent(double fraction) { return format_fixed(fraction * 100, 1) + " %"; }

Expected<std::int64_t> parse_integer(std::string_view text) {
  return parse_whole<std::int64_t>(text, "a whole number");
}

Expected<std::uint64_t> parse_unsigned(std::string_view text) {
  return parse_whole<std::uint64_t>(text, "a whole number, 0 or more,");
}

Expected<double> parse_double(std::string_view text) {
  const std::string_view all = trim(text);
  double value = 0;
  const auto [end, failure] = std::from_chars(all.data(), all.data() + all.size(), value);
  if (failure != std::errc() || end != all.data() + all.size() || !std::isfinite(value)) {
    return not_a("a number", text, "0.5");
  }
  return value;
}

Expected<double> parse_bytes(std::string_view text) {
  return parse_with_unit(text, kByteUnits, "a size", "\"80 GiB\"");
}

Expected<double> parse_seconds(std::string_view text) {
  return parse_with_unit(text, kTimeUnits, "a time", "\"50 ms\"");
}

Expected<double> parse_bytes_per_second(std::string_view text) {
  return parse_with_unit(text, kByteRateUnits, "a bandwidth", "\"3.35 TB/s\"");
}

Expected<double> parse_flops(std::string_view text) {
  return parse_with_unit(text, kFlopUnits, "a rate of operations", "\"989 TFLOP/s\"");
}

Expected<double> parse_fraction(std::string_view text) {
  return parse_with_unit(text, kFractionUnits, "a share", "0.9 or \"90 %\"");
}

std::optional<std::string> nearest_name(std::string_view name, std::span<const std::string> known) {
  std::optional<std::string> best;
  // Of equally distant names the one of the most similar length: two letters swapped, not one lost.
  std::pair<std::size_t, std::size_t> least = {std::max<std::size_t>(1, name.size() / 3) + 1, 0};
  for (const std::string& candidate : known) {
    const std::size_t longer = std::max(name.size(), candidate.size());
    const std::size_t shorter = std::min(name.size(), candidate.size());
    const std::pair distance = {edit_distance(name, candidate), longer - shorter};
    if (distance < least && distance.first < longer) {
      best = candidate;
      least = distance;
    }
  }
  return best;
}

std::string unknown_name(std::string_view kind, std::string_view name,
                         std::span<const std::string> known) {
  std::string message = "unknown " + std::string(kind) + " " + json_quote(name);
  const std::optional<std::string> nearest = nearest_name(name, known);
  if (nearest) message += "; did you mean " + json_quote(*nearest) + "?";
  if (known.empty()) return message + "; none is known";
  message += nearest ? " known: " : "; known: ";
  for (std::size_t i = 0; i < known.size(); ++i) message += (i == 0 ? "" : ", ") + known[i];
  return message;
}

std::string valid_utf8(std::string_view text) {
  std::string valid;
  valid.reserve(text.size());
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    valid += length == 0 ? "\xEF\xBF\xBD" : text.substr(0, length);
    text.remove_prefix(std::max<std::size_t>(1, length));
  }
  return valid;
}

std::string json_quote(std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string quoted = "\"";
  for (const char c : valid_utf8(text)) {
    const auto code = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      quoted += {'\\', c};
    } else if (c == '\n') {
      quoted += "\\n";
    } else if (c == '\r') {
      quoted += "\\r";
    } else if (c == '\t') {
      quoted += "\\t";
    } else if (code < 0x20) {
      quoted += {'\\', 'u', '0', '0', kHex[code >> 4], kHex[code & 15]};
    } else {
      quoted += c;
    }
  }
  return quoted + "\"";
}

std::string csv_field(std::string_view text) {
  const bool plain = text.find_first_of(",\"\n\r") == std::string_view::npos &&
                     (text.empty() || (text.front() != ' ' && text.back() != ' '));
  if (plain) return std::string(text);
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + "\"";
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (true) {
    const std::size_t at = text.find(separator);
    parts.emplace_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

std::string_view trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

}  // namespace scsim
