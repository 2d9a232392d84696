// ICU works in UTF-16 or on single code points; strings go through its UnicodeString.
#include "exec/scorers/unicode_text.h"

#include <unicode/locid.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>

#include "traces/check.h"
#include "traces/text.h"

namespace scsim::exec {
namespace {

icu::UnicodeString icu_string(std::string_view utf8) {
  const std::string valid = valid_utf8(utf8);
  return icu::UnicodeString::fromUTF8(valid);
}

std::string from_icu(const icu::UnicodeString& text) {
  std::string result;
  return text.toUTF8String(result);
}

}  // namespace

std::u32string code_points(std::string_view utf8) {
  const std::string valid = valid_utf8(utf8);
  std::u32string result;
  result.reserve(valid.size());
  for (std::size_t i = 0; i < valid.size();) {
    const auto lead = static_cast<unsigned char>(valid[i]);
    const int length = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    char32_t c = length == 1 ? lead : lead & (0x7Fu >> length);
    for (int k = 1; k < length; ++k) {
      c = (c << 6) | (static_cast<unsigned char>(valid[i + static_cast<std::size_t>(k)]) & 0x3Fu);
    }
    result.push_back(c);
    i += static_cast<std::size_t>(length);
  }
  return result;
}

std::string to_utf8(std::u32string_view text) {
  std::string result;
  for (const char32_t c : text) {
    if (c < 0x80) {
      result.push_back(static_cast<char>(c));
      continue;
    }
    const int length = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    const unsigned lead = length == 2 ? 0xC0u : length == 3 ? 0xE0u : 0xF0u;
    result.push_back(static_cast<char>(lead | (c >> (6 * (length - 1)))));
    for (int k = length - 2; k >= 0; --k) {
      result.push_back(static_cast<char>(0x80u | ((c >> (6 * k)) & 0x3Fu)));
    }
  }
  return result;
}

std::string lower_case(std::string_view utf8) {
  return from_icu(icu_string(utf8).toLower(icu::Locale::getRoot()));
}

std::string upper_case(std::string_view utf8) {
  return from_icu(icu_string(utf8).toUpper(icu::Locale::getRoot()));
}

bool is_space(char32_t c) {
  return (c >= 9 && c <= 13) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

bool is_digit(char32_t c) { return u_charType(static_cast<UChar32>(c)) == U_DECIMAL_DIGIT_NUMBER; }

int digit_value(char32_t c) {
  SCSIM_CHECK(is_digit(c));
  return u_charDigitValue(static_cast<UChar32>(c));
}

bool is_word_part(char32_t c) {
  const auto code = static_cast<UChar32>(c);
  const int type = u_charType(code);
  // Python counts as alphanumeric what is a letter or has a numeric value, of which some are
  // ideographs or marks without the number category; ideographs are letters already.
  return c == '_' || u_isalpha(code) != 0 || type == U_DECIMAL_DIGIT_NUMBER ||
         type == U_LETTER_NUMBER || type == U_OTHER_NUMBER;
}

bool joins_words(char32_t c) {
  return is_word_part(c) && u_hasBinaryProperty(static_cast<UChar32>(c), UCHAR_IDEOGRAPHIC) == 0;
}

bool is_ascii_punctuation(char32_t c) {
  return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') ||
         (c >= '{' && c <= '~');
}

namespace {

// The code point that starts at `at`, and the length of it. REQUIRES: at < text.size().
std::pair<char32_t, std::size_t> decode_at(std::string_view text, std::size_t at) {
  const auto lead = static_cast<unsigned char>(text[at]);
  std::size_t length = lead < 0xC0 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  length = std::min(length, text.size() - at);
  const std::u32string one = code_points(text.substr(at, length));
  return {one.empty() ? U'\xFFFD' : one[0], length};
}

std::size_t start_of_last(std::string_view text) {
  std::size_t at = text.size() - 1;
  for (int steps = 0; steps < 3 && at > 0 && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80;
       ++steps) {
    --at;
  }
  return at;
}

}  // namespace

std::string_view strip(std::string_view utf8) {
  while (!utf8.empty()) {
    const auto [c, length] = decode_at(utf8, 0);
    if (!is_space(c)) break;
    utf8.remove_prefix(length);
  }
  while (!utf8.empty()) {
    const std::size_t at = start_of_last(utf8);
    if (!is_space(decode_at(utf8, at).first)) break;
    utf8 = utf8.substr(0, at);
  }
  return utf8;
}

std::vector<std::string> split_words(std::string_view utf8) {
  std::vector<std::string> words;
  std::size_t start = 0;
  for (std::size_t at = 0; at < utf8.size();) {
    const auto [c, length] = decode_at(utf8, at);
    if (is_space(c)) {
      if (at > start) words.emplace_back(utf8.substr(start, at - start));
      start = at + length;
    }
    at += length;
  }
  if (start < utf8.size()) words.emplace_back(utf8.substr(start));
  return words;
}

bool contains_bounded(std::string_view text, std::string_view part) {
  if (part.empty()) return strip(text).empty();
  for (std::size_t at = text.find(part); at != std::string_view::npos;
       at = text.find(part, at + 1)) {
    const std::string_view before = text.substr(0, at), after = text.substr(at + part.size());
    const bool open =
        before.empty() || !joins_words(decode_at(before, start_of_last(before)).first);
    if (open && (after.empty() || !joins_words(decode_at(after, 0).first))) return true;
  }
  return false;
}

}  // namespace scsim::exec
