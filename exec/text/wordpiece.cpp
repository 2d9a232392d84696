#include "exec/text/wordpiece.h"

#include <unicode/uchar.h>

#include <algorithm>
#include <array>

#include "exec/text/characters.h"

namespace scsim::exec {
namespace {

// Rust's char::is_whitespace: White_Space.
bool is_space(char32_t code) { return CharacterClasses::get()[code] == CharacterClass::kSpace; }

// The `tokenizers` library looks controls and punctuation up in the tables of Unicode 8.
bool is_in(char32_t code, std::uint32_t categories) {
  const auto point = static_cast<UChar32>(code);
  if ((U_GET_GC_MASK(point) & categories) == 0) return false;
  UVersionInfo age;
  u_charAge(point, age);
  return age[0] <= 8;
}

bool is_control(char32_t code) {
  if (code == '\t' || code == '\n' || code == '\r') return false;
  return is_in(code, U_GC_CC_MASK | U_GC_CF_MASK | U_GC_CO_MASK);
}

bool is_punctuation(char32_t code) {
  if (code < 0x80) {
    return (code >= 33 && code <= 47) || (code >= 58 && code <= 64) || (code >= 91 && code <= 96) ||
           (code >= 123 && code <= 126);
  }
  constexpr char32_t kChiSign = 0x166D, kSandhiMark = 0x111C9;  // which were punctuation then
  return code == kChiSign || code == kSandhiMark || is_in(code, U_GC_P_MASK);
}

bool is_chinese(char32_t code) {
  struct Range {
    char32_t first, last;
  };
  constexpr std::array<Range, 8> kRanges = {{{0x4E00, 0x9FFF},
                                             {0x3400, 0x4DBF},
                                             {0x20000, 0x2A6DF},
                                             {0x2A700, 0x2B73F},
                                             {0x2B740, 0x2B81F},
                                             {0x2B920, 0x2CEAF},
                                             {0xF900, 0xFAFF},
                                             {0x2F800, 0x2FA1F}}};
  return std::ranges::any_of(
      kRanges, [code](const Range& range) { return code >= range.first && code <= range.last; });
}

}  // namespace

std::string bert_cleaned(const BertCleaning& cleaning, std::string_view text) {
  std::string cleaned;
  cleaned.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const Character character = character_at(text.data() + at);
    const std::string_view bytes = text.substr(at, character.bytes);
    at += character.bytes;
    const char32_t code = character.code;
    if (cleaning.clean && (code == 0 || code == 0xFFFD || is_control(code))) continue;
    if (cleaning.clean && is_space(code)) {
      cleaned += ' ';
    } else if (cleaning.chinese && is_chinese(code)) {
      cleaned += ' ';
      cleaned += bytes;
      cleaned += ' ';
    } else {
      cleaned += bytes;
    }
  }
  return cleaned;
}

void WordPieceModel::add(std::string_view piece, std::int32_t id) {
  if (piece.starts_with(kContinued)) continued_.emplace(piece.substr(kContinued.size()), id);
  first_.emplace(piece, id);  // "##a" in a text is punctuation and a letter, but "##" may be a word
}

void WordPieceModel::encode(std::string_view text, std::vector<std::int32_t>& ids) const {
  std::size_t begin = 0;
  const auto end_word = [&](std::size_t end) {
    if (end > begin) encode_word(text.substr(begin, end - begin), ids);
  };
  for (std::size_t at = 0; at < text.size();) {
    const Character character = character_at(text.data() + at);
    const bool alone = is_punctuation(character.code);
    if (alone || is_space(character.code)) {
      end_word(at);
      begin = at + (alone ? 0 : character.bytes);
      if (alone) {
        end_word(at + character.bytes);
        begin = at + character.bytes;
      }
    }
    at += character.bytes;
  }
  end_word(text.size());
}

void WordPieceModel::encode_word(std::string_view word, std::vector<std::int32_t>& ids) const {
  const std::size_t before = ids.size();
  const auto characters = static_cast<std::size_t>(std::ranges::count_if(
      word, [](char c) { return (static_cast<std::uint8_t>(c) & 0xC0u) != 0x80; }));
  if (characters > most_characters_) return ids.push_back(unknown_);
  for (std::size_t begin = 0; begin < word.size();) {
    const auto& pieces = begin == 0 ? first_ : continued_;
    std::size_t end = word.size();
    auto found = pieces.end();
    while (end > begin) {
      found = pieces.find(word.substr(begin, end - begin));
      if (found != pieces.end()) break;
      end -= character_before(word.substr(begin, end - begin)).bytes;
    }
    if (found == pieces.end()) {
      ids.resize(before);
      return ids.push_back(unknown_);
    }
    ids.push_back(found->second);
    begin = end;
  }
}

std::string word_piece_text(std::string_view name, bool cleanup) {
  if (name.starts_with(WordPieceModel::kContinued)) {
    return std::string(name.substr(WordPieceModel::kContinued.size()));
  }
  constexpr std::array<std::string_view, 9> kNoSpaceBefore = {".",  "?",  "!",   ",",  "n't",
                                                              "'m", "'s", "'ve", "'re"};
  const bool joined = std::ranges::any_of(
      kNoSpaceBefore, [name](std::string_view of) { return name.starts_with(of); });
  return cleanup && joined ? std::string(name) : " " + std::string(name);
}

}  // namespace scsim::exec
