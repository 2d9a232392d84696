#include "exec/scorers/numbers.h"

#include "exec/scorers/unicode_text.h"
#include "traces/text.h"

namespace scsim::exec {
namespace {

bool is_decimal(char32_t c) { return c >= '0' && c <= '9'; }

// The end of a run of digits and of groups of three after commas.
std::size_t end_of_integer(const std::u32string& text, std::size_t at) {
  const std::size_t start = at;
  while (at < text.size() && is_decimal(text[at])) ++at;
  if (at - start > 3) return at;
  const auto group_at = [&](std::size_t comma) {
    if (comma + 3 >= text.size() || text[comma] != ',') return false;
    for (std::size_t k = 1; k <= 3; ++k) {
      if (!is_decimal(text[comma + k])) return false;
    }
    return comma + 4 == text.size() || !is_decimal(text[comma + 4]);
  };
  while (group_at(at)) at += 4;
  return at;
}

std::string canonical(bool negative, std::u32string_view integer, std::u32string_view fraction) {
  std::string digits, part;
  for (const char32_t c : integer) {
    if (c != ',' && (c != '0' || !digits.empty())) digits.push_back(static_cast<char>(c));
  }
  for (const char32_t c : fraction) part.push_back(static_cast<char>(c));
  while (!part.empty() && part.back() == '0') part.pop_back();
  if (digits.empty()) digits = "0";
  const bool zero = digits == "0" && part.empty();
  return (negative && !zero ? "-" : "") + digits + (part.empty() ? "" : "." + part);
}

}  // namespace

std::vector<std::string> numbers_in(std::string_view text) {
  const std::u32string points = code_points(text);
  std::vector<std::string> numbers;
  for (std::size_t i = 0; i < points.size();) {
    if (!is_decimal(points[i])) {
      ++i;
      continue;
    }
    const std::size_t start = i;
    std::size_t end = end_of_integer(points, i);
    const std::size_t integer_end = end;
    if (end + 1 < points.size() && points[end] == '.' && is_decimal(points[end + 1])) {
      ++end;
      while (end < points.size() && is_decimal(points[end])) ++end;
    }
    i = end;
    const bool in_word = (start > 0 && joins_words(points[start - 1])) ||
                         (end < points.size() && joins_words(points[end]));
    if (in_word) continue;
    const bool sign = start > 0 && (points[start - 1] == '-' || points[start - 1] == 0x2212);
    const bool negative = sign && (start < 2 || !joins_words(points[start - 2]));
    const std::size_t fraction = std::min(integer_end + 1, end);
    numbers.push_back(canonical(negative,
                                std::u32string_view(points).substr(start, integer_end - start),
                                std::u32string_view(points).substr(fraction, end - fraction)));
  }
  return numbers;
}

std::optional<std::int64_t> leading_integer(std::string_view text) {
  const std::u32string points = code_points(text);
  std::size_t at = 0;
  while (at < points.size() && !is_digit(points[at])) ++at;
  if (at == points.size()) return std::nullopt;
  std::string number;
  const auto take_digits = [&] {
    for (; at < points.size() && is_digit(points[at]); ++at) {
      number.push_back(static_cast<char>('0' + digit_value(points[at])));
    }
  };
  take_digits();
  if (at + 1 < points.size() && points[at] == '.' && is_digit(points[at + 1])) {
    number.push_back('.');
    ++at;
    take_digits();
  }
  const Expected<double> value = parse_double(number);  // through a double, as published
  if (!value || *value >= 9223372036854775808.0) return std::nullopt;
  return static_cast<std::int64_t>(*value);
}

std::string_view first_digit_run(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789";
  const std::size_t start = text.find_first_of(kDigits);
  if (start == std::string_view::npos) return {};
  const std::size_t end = text.find_first_not_of(kDigits, start);
  return text.substr(start, end == std::string_view::npos ? end : end - start);
}

}  // namespace scsim::exec
