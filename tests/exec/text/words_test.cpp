// The scanners against ICU's regular expressions, run on the expressions that families publish: on
// every short string over an alphabet of one character of each kind, and on the 20,000 lines.
#include "exec/text/words.h"

#include <unicode/regex.h>

#include <catch2/catch.hpp>

#include "exec/text/characters.h"
#include "tests/exec/text/fixtures.h"

namespace scsim::exec::test {
namespace {

constexpr const char* kGpt2 =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
constexpr const char* kLlama3 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|)"
    R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kQwen2 = R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|)"
                               R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

std::vector<std::string> by_regex(icu::RegexPattern& pattern, std::string_view text) {
  UErrorCode status = U_ZERO_ERROR;
  const icu::UnicodeString whole =
      icu::UnicodeString::fromUTF8({text.data(), static_cast<std::int32_t>(text.size())});
  const std::unique_ptr<icu::RegexMatcher> matcher(pattern.matcher(whole, status));
  std::vector<std::string> words;
  while (matcher->find()) matcher->group(status).toUTF8String(words.emplace_back());
  REQUIRE(U_SUCCESS(status));
  return words;
}

std::vector<std::string> by_scanner(WordRule rule, std::string_view text) {
  std::vector<std::string> words;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at < end) {
    const char* const next = word_scanner(rule)(at, end);
    words.emplace_back(at, next);
    at = next;
  }
  return words;
}

// Each digit is a piece of its own before the expression sees what is between.
std::vector<std::string> by_digits_and_regex(icu::RegexPattern& pattern, std::string_view text) {
  std::vector<std::string> words;
  std::string between;
  const auto flush = [&] {
    for (std::string& word : by_regex(pattern, between)) words.push_back(std::move(word));
    between.clear();
  };
  while (!text.empty()) {
    const Character character = character_at(text.data());
    if (CharacterClasses::get()[character.code] == CharacterClass::kNumber) {
      flush();
      words.emplace_back(text.substr(0, character.bytes));
    } else {
      between += text.substr(0, character.bytes);
    }
    text.remove_prefix(character.bytes);
  }
  flush();
  return words;
}

std::unique_ptr<icu::RegexPattern> compiled(const char* regex) {
  UErrorCode status = U_ZERO_ERROR;
  std::unique_ptr<icu::RegexPattern> pattern(icu::RegexPattern::compile(regex, 0, status));
  REQUIRE(U_SUCCESS(status));
  return pattern;
}

template <class Visit>
void for_each_short_string(const std::vector<std::string>& alphabet, std::size_t length,
                           const Visit& visit) {
  std::vector<std::size_t> digits(length, 0);
  while (true) {
    std::string text;
    for (const std::size_t digit : digits) text += alphabet[digit];
    visit(text);
    std::size_t at = 0;
    while (at < length && ++digits[at] == alphabet.size()) digits[at++] = 0;
    if (at == length) return;
  }
}

struct Case {
  WordRule rule;
  const char* regex;
};

TEST_CASE("words end where the published expressions say, on every short string", "[exec][text]") {
  const std::vector<std::string> alphabet = {"a",  "'",  "s", "R", "e",      " ",      "\t",
                                             "\n", "\r", "1", "!", "\u00a0", "\u4e2d", "\u0301"};
  for (const Case& one : {Case{WordRule::kGpt2, kGpt2}, Case{WordRule::kLlama3, kLlama3},
                          Case{WordRule::kQwen2, kQwen2}}) {
    const auto pattern = compiled(one.regex);
    for (std::size_t length = 1; length <= 4; ++length) {
      for_each_short_string(alphabet, length, [&](const std::string& text) {
        if (by_scanner(one.rule, text) == by_regex(*pattern, text)) return;
        INFO(text);
        REQUIRE(by_scanner(one.rule, text) == by_regex(*pattern, text));
      });
    }
  }
}

TEST_CASE("contractions are those of the expression, ignoring case as Unicode does",
          "[exec][text]") {
  const auto pattern = compiled(kLlama3);
  for (const char* text : {"'S", "'\u017f", "'LL", "'lL", "'Ve", "'rE", "'d", "'M", "'x", "'l",
                           "'\u017fa", "it'Sx", "''s", "'"}) {
    INFO(text);
    CHECK(by_scanner(WordRule::kLlama3, text) == by_regex(*pattern, text));
  }
}

TEST_CASE("words end where the published expressions say, on the 20,000 lines", "[exec][text]") {
  const auto gpt2 = compiled(kGpt2), llama3 = compiled(kLlama3), qwen2 = compiled(kQwen2);
  std::int64_t compared = 0;
  for (const std::string& line : lines()) {
    const std::string text = replace_invalid_utf8(line);
    // What is newer than ICU's tables is a letter to us and nothing to ICU.
    bool newer = false;
    for (std::size_t at = 0; at < text.size();) {
      const Character character = character_at(text.data() + at);
      newer |= u_charType(static_cast<UChar32>(character.code)) == U_UNASSIGNED;
      at += character.bytes;
    }
    if (newer) continue;
    ++compared;
    REQUIRE(by_scanner(WordRule::kGpt2, text) == by_regex(*gpt2, text));
    REQUIRE(by_scanner(WordRule::kLlama3, text) == by_regex(*llama3, text));
    REQUIRE(by_scanner(WordRule::kQwen2, text) == by_regex(*qwen2, text));
    REQUIRE(by_scanner(WordRule::kDigitsThenGpt2, text) == by_digits_and_regex(*gpt2, text));
  }
  CHECK(compared > 15'000);
}

TEST_CASE("the published expressions are recognised by their text", "[exec][text]") {
  CHECK(rule_of_regex(kGpt2) == WordRule::kGpt2);
  CHECK(rule_of_regex(kLlama3) == WordRule::kLlama3);
  CHECK(rule_of_regex(kQwen2) == WordRule::kQwen2);
  CHECK_FALSE(rule_of_regex("\\s+").has_value());
}

TEST_CASE("words of marks begin where a mark follows something else", "[exec][text]") {
  CHECK(by_scanner(WordRule::kAfterText, "\u2581a\u2581\u2581b\u2581") ==
        std::vector<std::string>{"\u2581a", "\u2581\u2581b", "\u2581"});
  CHECK(by_scanner(WordRule::kEachMark, "a\u2581\u2581b") ==
        std::vector<std::string>{"a", "\u2581", "\u2581b"});
  CHECK(by_scanner(WordRule::kWhole, "a\u2581b") == std::vector<std::string>{"a\u2581b"});
}

}  // namespace
}  // namespace scsim::exec::test
