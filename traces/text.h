// Numbers to text and back, in one place, and help for people who mistype.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "traces/expected.h"
#include "traces/time.h"

namespace scsim {

std::string format_integer(std::int64_t value);        // 12,031
std::string format_fixed(double value, int decimals);  // 0.37; locale-free
std::string format_shortest(double value);             // the shortest text that reads back the same
std::string format_seconds(double seconds);            // 12.3 ms, 1.24 s, 1 h 02 min
std::string format_bytes(double bytes);                // 1.5 GiB
std::string format_rate(double per_second);            // 12.3 k/s
std::string format_percent(double fraction);           // 37.3 %

// All of the text must be the number; the error names the text and what was expected.
Expected<std::int64_t> parse_integer(std::string_view text);
Expected<std::uint64_t> parse_unsigned(std::string_view text);
Expected<double> parse_double(std::string_view text);
Expected<double> parse_bytes(std::string_view text);             // "80 GiB", "512 MB", "4096"
Expected<double> parse_seconds(std::string_view text);           // "50 ms", "2.5 s", "1 h", "3 d"
Expected<double> parse_bytes_per_second(std::string_view text);  // "3.35 TB/s"
Expected<double> parse_flops(std::string_view text);             // "989 TFLOP/s"
Expected<double> parse_fraction(std::string_view text);          // "0.9", "90 %"

// The known name closest to `name` by edit distance, where one is close enough to be meant.
std::optional<std::string> nearest_name(std::string_view name, std::span<const std::string> known);
// `unknown KIND "nmae"; did you mean "name"? known: a, b, name`
std::string unknown_name(std::string_view kind, std::string_view name,
                         std::span<const std::string> known);

std::string valid_utf8(std::string_view text);  // what is not UTF-8 becomes U+FFFD
std::string json_quote(std::string_view text);  // with the quotes; valid UTF-8 out
std::string csv_field(std::string_view text);   // quoted where it must be
std::vector<std::string> split(std::string_view text, char separator);
std::string_view trim(std::string_view text);

}  // namespace scsim
