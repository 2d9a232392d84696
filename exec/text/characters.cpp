#include "exec/text/characters.h"

#include <simdjson.h>
#include <unicode/brkiter.h>
#include <unicode/bytestream.h>
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/utext.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <array>
#include <memory>

#include "traces/check.h"

namespace scsim::exec {
namespace {

struct Range {
  char32_t first, last;
};

// What Unicode 15.1 and 16 made letters and numbers.
constexpr std::array kNewerLetters = {
    Range{0x1C89, 0x1C8A},   Range{0xA7CB, 0xA7CD},   Range{0xA7DA, 0xA7DC},
    Range{0x105C0, 0x105F3}, Range{0x10D4A, 0x10D65}, Range{0x10D6F, 0x10D85},
    Range{0x10EC2, 0x10EC4}, Range{0x11380, 0x11389}, Range{0x1138B, 0x1138B},
    Range{0x1138E, 0x1138E}, Range{0x11390, 0x113B5}, Range{0x113B7, 0x113B7},
    Range{0x113D1, 0x113D1}, Range{0x113D3, 0x113D3}, Range{0x11BC0, 0x11BE0},
    Range{0x13460, 0x143FA}, Range{0x16100, 0x1611D}, Range{0x16D40, 0x16D6C},
    Range{0x18CFF, 0x18CFF}, Range{0x1E5D0, 0x1E5ED}, Range{0x1E5F0, 0x1E5F0},
    Range{0x2EBF0, 0x2EE5D}};
constexpr std::array kNewerNumbers = {Range{0x10D40, 0x10D49}, Range{0x116D0, 0x116E3},
                                      Range{0x11BF0, 0x11BF9}, Range{0x16130, 0x16139},
                                      Range{0x16D70, 0x16D79}, Range{0x1CCF0, 0x1CCF9},
                                      Range{0x1E5F1, 0x1E5FA}};

constexpr char32_t kCodePoints = 0x110000;

const icu::Normalizer2& nfc() {
  static const icu::Normalizer2* const instance = [] {
    UErrorCode status = U_ZERO_ERROR;
    const icu::Normalizer2* made = icu::Normalizer2::getNFCInstance(status);
    SCSIM_CHECK(U_SUCCESS(status));  // ICU's own data is missing
    return made;
  }();
  return *instance;
}

icu::StringPiece piece(std::string_view text) {
  return {text.data(), static_cast<std::int32_t>(text.size())};
}

}  // namespace

CharacterClasses::CharacterClasses() : classes_(kCodePoints, CharacterClass::kOther) {
  for (char32_t code = 0; code < kCodePoints; ++code) {
    const auto character = static_cast<UChar32>(code);
    const std::uint32_t category = U_MASK(u_charType(character));
    if (u_isUWhiteSpace(character)) {
      classes_[code] = CharacterClass::kSpace;
    } else if (category & U_GC_L_MASK) {
      classes_[code] = CharacterClass::kLetter;
    } else if (category & U_GC_N_MASK) {
      classes_[code] = CharacterClass::kNumber;
    }
  }
  const auto set = [&](const auto& ranges, CharacterClass value) {
    for (const Range& range : ranges) {
      std::fill(classes_.begin() + range.first, classes_.begin() + range.last + 1, value);
    }
  };
  set(kNewerLetters, CharacterClass::kLetter);
  set(kNewerNumbers, CharacterClass::kNumber);
}

const CharacterClasses& CharacterClasses::get() {
  static const CharacterClasses classes;
  return classes;
}

bool is_word_character(char32_t code) {
  const auto character = static_cast<UChar32>(code);
  const std::uint32_t category = U_MASK(u_charType(character));
  return CharacterClasses::get()[code] == CharacterClass::kLetter ||
         u_hasBinaryProperty(character, UCHAR_ALPHABETIC) ||
         (category & (U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK)) != 0 ||
         u_hasBinaryProperty(character, UCHAR_JOIN_CONTROL);
}

Character character_before(std::string_view text) {
  std::size_t start = text.size() - 1;
  while (start > 0 && (static_cast<std::uint8_t>(text[start]) & 0xC0) == 0x80) --start;
  return character_at(text.data() + start);
}

std::string utf8(char32_t code) {
  char bytes[U8_MAX_LENGTH];
  std::size_t length = 0;
  U8_APPEND_UNSAFE(bytes, length, code);
  return std::string(bytes, length);
}

bool is_valid_utf8(std::string_view text) {
  return simdjson::validate_utf8(text.data(), text.size());
}

std::string replace_invalid_utf8(std::string_view text) {
  std::string valid;
  valid.reserve(text.size());
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(text.data());
  const std::size_t size = text.size();
  for (std::size_t at = 0; at < size;) {
    const std::size_t start = at;
    UChar32 code;
    U8_NEXT(bytes, at, size, code);
    valid += code < 0 ? std::string_view("\xEF\xBF\xBD") : text.substr(start, at - start);
  }
  return valid;
}

std::size_t complete_utf8_bytes(std::string_view text) {
  // A character is at most 4 bytes: only a lead byte among the last three can wait for more.
  for (std::size_t back = 1; back <= 3 && back <= text.size(); ++back) {
    const auto byte = static_cast<std::uint8_t>(text[text.size() - back]);
    if ((byte & 0xC0) == 0x80) continue;
    const std::size_t wanted = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC0 ? 2 : 1;
    if (wanted <= back) return text.size();
    // Unless it could never become one, what is there is a part of a character.
    const std::string_view tail = text.substr(text.size() - back);
    const bool one_part = replace_invalid_utf8(tail).size() == 3;
    return one_part && byte >= 0xC2 && byte <= 0xF4 ? text.size() - back : text.size();
  }
  return text.size();
}

std::vector<std::string_view> graphemes(std::string_view text) {
  std::vector<std::string_view> found;
  UErrorCode status = U_ZERO_ERROR;
  // Rules are compiled once a thread, which is slow.
  thread_local const std::unique_ptr<icu::BreakIterator> breaks(
      icu::BreakIterator::createCharacterInstance(icu::Locale::getRoot(), status));
  SCSIM_CHECK(breaks != nullptr);  // ICU's own data is missing
  UText view = UTEXT_INITIALIZER;
  utext_openUTF8(&view, text.data(), static_cast<std::int64_t>(text.size()), &status);
  breaks->setText(&view, status);
  SCSIM_CHECK(U_SUCCESS(status));
  std::int32_t begin = breaks->first();
  for (std::int32_t end = breaks->next(); end != icu::BreakIterator::DONE; end = breaks->next()) {
    found.push_back(
        text.substr(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin)));
    begin = end;
  }
  utext_close(&view);
  return found;
}

bool is_nfc_for_sure(std::string_view text) {
  const bool ascii =
      std::ranges::none_of(text, [](char c) { return static_cast<signed char>(c) < 0; });
  if (ascii) return true;
  UErrorCode status = U_ZERO_ERROR;
  return nfc().isNormalizedUTF8(piece(text), status) && U_SUCCESS(status);
}

std::string to_nfc(std::string_view text) {
  std::string normal;
  normal.reserve(text.size());
  icu::StringByteSink<std::string> sink(&normal);
  UErrorCode status = U_ZERO_ERROR;
  nfc().normalizeUTF8(0, piece(text), sink, nullptr, status);
  SCSIM_CHECK(U_SUCCESS(status));
  return normal;
}

}  // namespace scsim::exec
