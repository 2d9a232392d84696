// Characters of UTF-8 text and the four classes that pre-tokenisation tells apart.
//
// Classes are those of Unicode 16, which the regular expressions of the `tokenizers` library know:
// ICU's, and a short list of what was assigned after ICU 72.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace scsim::exec {

enum class CharacterClass : std::uint8_t {
  kOther,   // punctuation, symbols, marks, unassigned
  kLetter,  // \p{L}
  kNumber,  // \p{N}
  kSpace    // \s: White_Space
};

// Indexed by code point; made once, a megabyte of which few pages are touched.
class CharacterClasses {
 public:
  static const CharacterClasses& get();
  CharacterClass operator[](char32_t code) const { return classes_[code]; }

 private:
  CharacterClasses();
  std::vector<CharacterClass> classes_;
};

bool is_word_character(char32_t code);  // \w

struct Character {
  char32_t code;
  std::uint32_t bytes;
};

// REQUIRES: valid UTF-8 at `at`, before the end.
inline Character character_at(const char* at) {
  const auto byte = [at](int i) { return static_cast<std::uint8_t>(at[i]); };
  const std::uint8_t lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  if (lead < 0xE0) return {(lead & 0x1Fu) << 6 | (byte(1) & 0x3Fu), 2};
  if (lead < 0xF0) {
    return {(lead & 0x0Fu) << 12 | (byte(1) & 0x3Fu) << 6 | (byte(2) & 0x3Fu), 3};
  }
  return {
      (lead & 0x07u) << 18 | (byte(1) & 0x3Fu) << 12 | (byte(2) & 0x3Fu) << 6 | (byte(3) & 0x3Fu),
      4};
}

// The character that ends before `end`. REQUIRES: valid UTF-8, not empty.
Character character_before(std::string_view text);

std::string utf8(char32_t code);

bool is_valid_utf8(std::string_view text);
// Each maximal part of a character that is not one becomes U+FFFD, as decoders in browsers and in
// Python do. (scsim::valid_utf8 does so byte by byte.)
std::string replace_invalid_utf8(std::string_view text);
// How many bytes at the start of `text` can be said now: all but a character cut off at the end.
std::size_t complete_utf8_bytes(std::string_view text);

// What people take for one character: extended grapheme clusters, in order. REQUIRES: valid UTF-8.
std::vector<std::string_view> graphemes(std::string_view text);

// Unicode's canonical composition. REQUIRES: valid UTF-8.
bool is_nfc_for_sure(std::string_view text);  // quick; false may be too careful
std::string to_nfc(std::string_view text);

}  // namespace scsim::exec
