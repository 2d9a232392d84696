// Text as Python's `str` sees it, which is what published scorers are written in: code points, and
// Python's ideas of space, digit, word character and case.
//
//   std::u32string text = code_points("Straße");      // what is not UTF-8 becomes U+FFFD
//   upper_case("Straße") == "STRASSE"
//
// Case comes from ICU (full mappings, no language), as Python's does from the same tables.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace scsim::exec {

std::u32string code_points(std::string_view utf8);
std::string to_utf8(std::u32string_view text);
std::string lower_case(std::string_view utf8);
std::string upper_case(std::string_view utf8);

bool is_space(char32_t c);      // str.isspace
bool is_digit(char32_t c);      // \d: decimal digits of any script
int digit_value(char32_t c);    // 0 .. 9. REQUIRES: is_digit(c)
bool is_word_part(char32_t c);  // \w: letters and numbers of any script, underscore
// Whether a word or number goes on with it: as above, but no ideograph, as there are no spaces
// between those and what they stand beside.
bool joins_words(char32_t c);
bool is_ascii_punctuation(char32_t c);

std::string_view strip(std::string_view utf8);                // str.strip
std::vector<std::string> split_words(std::string_view utf8);  // str.split
// Whether `part` occurs in `text` and joins no word before or behind it.
bool contains_bounded(std::string_view text, std::string_view part);

}  // namespace scsim::exec
