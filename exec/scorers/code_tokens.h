// The tokens of program text in six languages: enough to tell code from strings and comments.
//
//   for (const CodeToken& token : code_tokens(code, CodeLanguage::kRust)) ... token.text(code)
//
// Every byte outside tokens is space. Nothing is an error: text that is no program gives tokens
// too, and an unclosed string or comment reaches to the end.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "traces/expected.h"

namespace scsim::exec {

enum class CodeLanguage : std::uint8_t { kPython, kJava, kTypescript, kRust, kCpp, kGo };

// The error names the nearest of the six.
Expected<CodeLanguage> parse_code_language(std::string_view name);

struct CodeToken {
  // A symbol is one character, but for "->", "=>" and "::". A directive is a line of the C++
  // preprocessor.
  enum class Kind : std::uint8_t { kWord, kNumber, kString, kComment, kSymbol, kDirective };
  Kind kind = Kind::kSymbol;
  std::size_t begin = 0, end = 0;  // bytes
  bool starts_line = false;        // the first token of its line

  std::string_view text(std::string_view code) const { return code.substr(begin, end - begin); }
};

std::vector<CodeToken> code_tokens(std::string_view code, CodeLanguage language);

}  // namespace scsim::exec
