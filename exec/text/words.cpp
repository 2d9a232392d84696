#include "exec/text/words.h"

#include <algorithm>
#include <array>

#include "exec/text/characters.h"
#include "traces/check.h"

namespace scsim::exec {
namespace {

struct Seen {
  CharacterClass kind;
  Character character;
};

Seen look(const char* at) {
  static const CharacterClasses& classes = CharacterClasses::get();
  const Character character = character_at(at);
  return {classes[character.code], character};
}

bool is(const char* at, const char* end, CharacterClass kind) {
  return at < end && look(at).kind == kind;
}

bool is_newline(char32_t code) { return code == '\r' || code == '\n'; }

const char* skip(const char* at, const char* end, CharacterClass kind) {
  while (at < end) {
    const Seen seen = look(at);
    if (seen.kind != kind) break;
    at += seen.character.bytes;
  }
  return at;
}

// After an apostrophe: s, t, re, ve, m, ll or d. Ignoring case, a long s is an s.
enum class Case : std::uint8_t { kLower, kAny };
template <Case kCase>
const char* contraction(const char* at, const char* end) {
  if (at == end) return nullptr;
  const auto letter = [](char c) {
    return kCase == Case::kAny && c >= 'A' && c <= 'Z' ? static_cast<char>(c + 'a' - 'A') : c;
  };
  const char first = letter(at[0]);
  if (first == 's' || first == 't' || first == 'm' || first == 'd') return at + 1;
  if (end - at < 2) return nullptr;
  const char second = letter(at[1]);
  if ((first == 'r' || first == 'v') && second == 'e') return at + 2;
  if (first == 'l' && second == 'l') return at + 2;
  if (kCase == Case::kAny && at[0] == '\xC5' && at[1] == '\xBF') return at + 2;
  return nullptr;
}

// Spaces leave their last one to the word that follows, if one does.
const char* spaces(const char* at, const char* end, bool number_is_end) {
  const char* last = at;
  const char* next = at;
  while (next < end) {
    const Seen seen = look(next);
    if (seen.kind != CharacterClass::kSpace) break;
    last = next;
    next += seen.character.bytes;
  }
  const bool is_end = next == end || (number_is_end && is(next, end, CharacterClass::kNumber));
  return is_end || last == at ? next : last;
}

enum class Digits : std::uint8_t { kLikeLetters, kOneByOne, kRuns };

template <Digits kDigits>
const char* gpt2_word(const char* at, const char* end) {
  Seen seen = look(at);
  if (seen.character.code == '\'') {
    if (const char* after = contraction<Case::kLower>(at + 1, end)) return after;
  }
  const char* start = at;
  if (seen.character.code == ' ' && at + 1 < end) {
    const Seen next = look(at + 1);
    const bool joins = kDigits == Digits::kLikeLetters || next.kind != CharacterClass::kNumber;
    if (next.kind != CharacterClass::kSpace && joins) {
      start = at + 1;
      seen = next;
    }
  }
  if (seen.kind == CharacterClass::kSpace) return spaces(at, end, kDigits != Digits::kLikeLetters);
  if (kDigits == Digits::kOneByOne && seen.kind == CharacterClass::kNumber) {
    return start + seen.character.bytes;
  }
  return skip(start + seen.character.bytes, end, seen.kind);
}

template <int kMostDigits>
const char* llama3_word(const char* at, const char* end) {
  const Seen seen = look(at);
  if (seen.character.code == '\'') {
    if (const char* after = contraction<Case::kAny>(at + 1, end)) return after;
  }
  const char* next = at + seen.character.bytes;
  switch (seen.kind) {
    case CharacterClass::kLetter:
      return skip(next, end, CharacterClass::kLetter);
    case CharacterClass::kNumber:
      for (int digits = 1; digits < kMostDigits && is(next, end, CharacterClass::kNumber);
           ++digits) {
        next += look(next).character.bytes;
      }
      return next;
    case CharacterClass::kSpace:
    case CharacterClass::kOther:
      break;
  }
  if (!is_newline(seen.character.code) && is(next, end, CharacterClass::kLetter)) {
    return skip(next, end, CharacterClass::kLetter);
  }
  const bool others = seen.kind == CharacterClass::kOther ||
                      (seen.character.code == ' ' && is(next, end, CharacterClass::kOther));
  if (others) {
    next = skip(next, end, CharacterClass::kOther);
    while (next < end && is_newline(static_cast<unsigned char>(*next))) ++next;
    return next;
  }
  // Spaces with newlines among them end after the last newline.
  const char* after_newline = nullptr;
  for (const char* in = at; in < end;) {
    const Seen space = look(in);
    if (space.kind != CharacterClass::kSpace) break;
    in += space.character.bytes;
    if (is_newline(space.character.code)) after_newline = in;
  }
  return after_newline != nullptr ? after_newline : spaces(at, end, false);
}

const char* marked_word(const char* at, const char* end) {
  std::string_view text(at, static_cast<std::size_t>(end - at));
  while (text.starts_with(kMark)) text.remove_prefix(kMark.size());
  const std::size_t next = text.find(kMark);
  return next == std::string_view::npos ? end : text.data() + next;
}

const char* each_mark(const char* at, const char* end) {
  const std::string_view text(at, static_cast<std::size_t>(end - at));
  const std::size_t next = text.find(kMark, 1);
  return next == std::string_view::npos ? end : at + next;
}

const char* whole_text(const char*, const char* end) { return end; }

struct KnownRegex {
  std::string_view regex;
  WordRule rule;
};

// As published, and as what it says: after the contractions, ...
constexpr std::array kRegexes = {
    KnownRegex{R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)",
               WordRule::kGpt2},
    KnownRegex{R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|)"
               R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
               WordRule::kLlama3},
    KnownRegex{R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|)"
               R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
               WordRule::kQwen2},
};

constexpr std::array kGgufWords = {
    GgufWords{"gpt-2", WordRule::kGpt2},
    GgufWords{"smollm", WordRule::kDigitsThenGpt2},
    GgufWords{"starcoder", WordRule::kDigitsThenGpt2},
    GgufWords{"llama-bpe", WordRule::kLlama3, true, false, true},
    GgufWords{"llama3", WordRule::kLlama3, true, false, true},
    GgufWords{"llama-v3", WordRule::kLlama3, true, false, true},
    GgufWords{"qwen2", WordRule::kQwen2, false, true},
    GgufWords{"deepseek-r1-qwen", WordRule::kQwen2, false, true},
    GgufWords{"chatglm-bpe", WordRule::kLlama3},
    GgufWords{"glm4", WordRule::kLlama3},
};

}  // namespace

WordScanner word_scanner(WordRule rule) {
  switch (rule) {
    case WordRule::kGpt2:
      return gpt2_word<Digits::kLikeLetters>;
    case WordRule::kDigitsThenGpt2:
      return gpt2_word<Digits::kOneByOne>;
    case WordRule::kNumbersThenGpt2:
      return gpt2_word<Digits::kRuns>;
    case WordRule::kLlama3:
      return llama3_word<3>;
    case WordRule::kQwen2:
      return llama3_word<1>;
    case WordRule::kAfterText:
      return marked_word;
    case WordRule::kEachMark:
      return each_mark;
    case WordRule::kWhole:
      return whole_text;
  }
  SCSIM_CHECK(false);
}

std::optional<WordRule> rule_of_regex(std::string_view regex) {
  const auto* known = std::ranges::find(kRegexes, regex, &KnownRegex::regex);
  if (known == kRegexes.end()) return std::nullopt;
  return known->rule;
}

const GgufWords* find_gguf_words(std::string_view name) {
  const auto* words = std::ranges::find(kGgufWords, name, &GgufWords::name);
  return words == kGgufWords.end() ? nullptr : words;
}

std::vector<std::string> gguf_words_names() {
  std::vector<std::string> names;
  for (const GgufWords& words : kGgufWords) names.emplace_back(words.name);
  return names;
}

}  // namespace scsim::exec
