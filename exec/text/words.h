// Where the words of a text end, by the rule that a family of models was trained with. Merging
// never crosses the end of a word.
//
// Families publish their rules as regular expressions. Each known one is a scanner here that gives
// the same pieces in one pass; what is not known is refused rather than approximated.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace scsim::exec {

enum class WordRule : std::uint8_t {
  kGpt2,             // contractions | " ?letters" | " ?digits" | " ?others" | spaces
  kDigitsThenGpt2,   // SmolLM2: each digit is cut out first, then kGpt2 on what lies between
  kNumbersThenGpt2,  // so with whole numbers
  kLlama3,           // Llama 3, GLM-4: letters with one character before them; up to three digits
  kQwen2,            // Qwen2 to Qwen3: the same, one digit
  kAfterText,  // SentencePiece: a word begins at a run of "\u2581" that follows something else
  kEachMark,   // SentencePiece: a word begins at every "\u2581"
  kWhole       // SentencePiece, where tokens reach across words
};

// The end of the word that begins at `at`. REQUIRES: at < end, valid UTF-8.
using WordScanner = const char* (*)(const char* at, const char* end);
WordScanner word_scanner(WordRule rule);

// The rule of a regular expression in a tokenizer.json; none where it is not known.
std::optional<WordRule> rule_of_regex(std::string_view regex);

// The rule of `tokenizer.ggml.pre`, and what else that name says of the family.
struct GgufWords {
  std::string_view name;
  WordRule rule;
  bool whole_words_first = false;  // a word that is a token is that token
  bool nfc = false;
  bool add_bos = false;  // where the file does not say
};
const GgufWords* find_gguf_words(std::string_view name);
std::vector<std::string> gguf_words_names();

inline constexpr std::string_view kMark = "\xE2\x96\x81";  // U+2581, SentencePiece's space

}  // namespace scsim::exec
