#include "exec/scorers/code_tokens.h"

#include <algorithm>
#include <array>
#include <string>

#include "traces/text.h"

namespace scsim::exec {
namespace {

const std::vector<std::string> kNames = {"python", "java", "typescript", "rust", "cpp", "go"};

bool is_word_start(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$' ||
         static_cast<unsigned char>(c) >= 0x80;
}
bool is_decimal(char c) { return c >= '0' && c <= '9'; }
bool is_word_part(char c) { return is_word_start(c) || is_decimal(c); }

class Lexer {
 public:
  Lexer(std::string_view code, CodeLanguage language) : code_(code), language_(language) {}

  std::vector<CodeToken> tokens() {
    while (at_ < code_.size()) {
      const char c = code_[at_];
      if (c == '\n') new_line_ = true;
      if (c == ' ' || (c >= '\t' && c <= '\r')) {
        ++at_;
        continue;
      }
      const std::size_t begin = at_;
      const CodeToken::Kind kind = take();
      at_ = std::min(at_, code_.size());
      tokens_.push_back({kind, begin, at_, new_line_});
      new_line_ = false;
    }
    return std::move(tokens_);
  }

 private:
  bool is(CodeLanguage language) const { return language_ == language; }
  bool starts(std::string_view text) const { return code_.substr(at_).starts_with(text); }
  void to_after(std::string_view text) {
    const std::size_t found = code_.find(text, at_);
    at_ = found == std::string_view::npos ? code_.size() : found + text.size();
  }

  CodeToken::Kind take() {
    using Kind = CodeToken::Kind;
    const char c = code_[at_];
    if (take_comment()) return Kind::kComment;
    if (c == '#' && is(CodeLanguage::kCpp) && new_line_) {
      take_directive();
      return Kind::kDirective;
    }
    if (take_string()) return Kind::kString;
    if (is_word_start(c)) {
      while (at_ < code_.size() && is_word_part(code_[at_])) ++at_;
      return Kind::kWord;
    }
    if (is_decimal(c)) {
      take_number();
      return Kind::kNumber;
    }
    at_ += starts("->") || starts("=>") || starts("::") ? 2 : 1;
    return Kind::kSymbol;
  }

  bool take_comment() {
    if (is(CodeLanguage::kPython)) {
      if (code_[at_] != '#') return false;
      at_ = std::min(code_.find('\n', at_), code_.size());
      return true;
    }
    if (starts("//")) {
      at_ = std::min(code_.find('\n', at_), code_.size());
      return true;
    }
    if (!starts("/*")) return false;
    at_ += 2;
    if (!is(CodeLanguage::kRust)) {
      to_after("*/");
      return true;
    }
    for (int depth = 1; depth > 0 && at_ < code_.size();) {  // Rust's comments nest
      if (starts("/*") || starts("*/")) {
        depth += code_[at_] == '/' ? 1 : -1;
        at_ += 2;
      } else {
        ++at_;
      }
    }
    return true;
  }

  void take_directive() {
    while (at_ < code_.size() && code_[at_] != '\n') {
      if (starts("//") || starts("/*")) return;  // a comment of its own
      at_ += code_[at_] == '\\' ? 2 : 1;
    }
  }

  void take_number() {
    while (at_ < code_.size()) {
      const char c = code_[at_];
      const char next = at_ + 1 < code_.size() ? code_[at_ + 1] : ' ';
      const bool separator = c == '\'' && is(CodeLanguage::kCpp) && is_word_part(next);
      const bool sign = (c == '+' || c == '-') && (code_[at_ - 1] == 'e' || code_[at_ - 1] == 'E');
      const bool point = c == '.' && !(is(CodeLanguage::kRust) && next == '.');  // 0..n
      if (!is_word_part(c) && !separator && !sign && !point) return;
      ++at_;
    }
  }

  // Up to the closing quote; a quote of one line ends with its line.
  void take_quoted(std::string_view quote, bool escapes, bool lines) {
    at_ += quote.size();
    while (at_ < code_.size() && !starts(quote)) {
      if (code_[at_] == '\n' && !lines) return;
      at_ += escapes && code_[at_] == '\\' ? 2 : 1;
    }
    at_ += quote.size();
  }

  bool take_string() {
    switch (language_) {
      case CodeLanguage::kPython:
        return take_python_string();
      case CodeLanguage::kJava:
        return take_plain("\"\"\"", true, true) || take_plain("\"", true, false) ||
               take_plain("'", true, false);
      case CodeLanguage::kTypescript:
        return take_plain("\"", true, false) || take_plain("'", true, false) || take_template() ||
               take_regular_expression();
      case CodeLanguage::kRust:
        return take_rust_string();
      case CodeLanguage::kCpp:
        return take_cpp_raw_string() || take_plain("\"", true, false) ||
               take_plain("'", true, false);
      case CodeLanguage::kGo:
        return take_plain("`", false, true) || take_plain("\"", true, false) ||
               take_plain("'", true, false);
    }
    return false;
  }

  bool take_plain(std::string_view quote, bool escapes, bool lines) {
    if (!starts(quote)) return false;
    take_quoted(quote, escapes, lines);
    return true;
  }

  bool take_python_string() {
    std::size_t quote = at_;
    while (quote < code_.size() && quote - at_ < 2 &&
           std::string_view("rRbBuUfF").find(code_[quote]) != std::string_view::npos) {
      ++quote;
    }
    if (quote >= code_.size() || (code_[quote] != '"' && code_[quote] != '\'')) return false;
    at_ = quote;
    for (const std::string_view triple : {"\"\"\"", "'''"}) {
      if (take_plain(triple, true, true)) return true;
    }
    take_quoted(code_.substr(at_, 1), true, false);
    return true;
  }

  bool take_template() {
    if (code_[at_] != '`') return false;
    ++at_;
    while (at_ < code_.size() && code_[at_] != '`') {
      if (starts("${")) {
        at_ += 2;
        for (int depth = 1; depth > 0 && at_ < code_.size();) {
          if (code_[at_] == '`') {
            take_template();
            continue;
          }
          depth += code_[at_] == '{' ? 1 : code_[at_] == '}' ? -1 : 0;
          ++at_;
        }
      } else {
        at_ += code_[at_] == '\\' ? 2 : 1;
      }
    }
    ++at_;
    return true;
  }

  // A slash divides after a value and opens a regular expression elsewhere.
  bool take_regular_expression() {
    if (code_[at_] != '/') return false;
    if (!tokens_.empty()) {
      const CodeToken& last = tokens_.back();
      const std::string_view text = last.text(code_);
      const bool value = last.kind == CodeToken::Kind::kWord ? text != "return" && text != "typeof"
                         : last.kind == CodeToken::Kind::kSymbol
                             ? text == ")" || text == "]" || text == "}"
                             : last.kind != CodeToken::Kind::kComment;
      if (value) return false;
    }
    bool in_class = false;
    std::size_t end = at_ + 1;
    for (; end < code_.size() && (code_[end] != '/' || in_class); ++end) {
      if (code_[end] == '\n') return false;
      if (code_[end] == '[') in_class = true;
      if (code_[end] == ']') in_class = false;
      if (code_[end] == '\\') ++end;
    }
    at_ = end + 1;
    return true;
  }

  bool take_rust_string() {
    std::size_t quote = at_;
    if (code_[quote] == 'b' || code_[quote] == 'c') ++quote;
    const bool raw = quote < code_.size() && code_[quote] == 'r';
    if (raw) {
      ++quote;
      std::size_t hashes = 0;
      while (quote < code_.size() && code_[quote] == '#') ++quote, ++hashes;
      if (quote >= code_.size() || code_[quote] != '"') return false;
      at_ = quote + 1;
      to_after("\"" + std::string(hashes, '#'));
      return true;
    }
    if (quote >= code_.size()) return false;
    if (code_[quote] == '"') {
      at_ = quote;
      take_quoted("\"", true, true);
      return true;
    }
    if (code_[quote] != '\'') return false;
    // 'x' and '\n' are characters, 'a without a closing quote is a lifetime.
    std::size_t end = quote + 1;
    if (end < code_.size() && code_[end] == '\\') {
      end = code_.find('\'', end + 2);
    } else {
      do ++end;
      while (end < code_.size() && (static_cast<unsigned char>(code_[end]) & 0xC0) == 0x80);
      if (end < code_.size() && code_[end] != '\'') return false;
    }
    at_ = end == std::string_view::npos ? code_.size() : end + 1;
    return true;
  }

  bool take_cpp_raw_string() {
    std::size_t at = at_;
    for (const std::string_view prefix : {"u8R\"", "uR\"", "UR\"", "LR\"", "R\""}) {
      if (!starts(prefix)) continue;
      at += prefix.size();
      const std::size_t open = code_.find('(', at);
      if (open == std::string_view::npos || open - at > 16) return false;
      const std::string close = ")" + std::string(code_.substr(at, open - at)) + "\"";
      at_ = open;
      to_after(close);
      return true;
    }
    return false;
  }

  std::string_view code_;
  CodeLanguage language_;
  std::size_t at_ = 0;
  bool new_line_ = true;
  std::vector<CodeToken> tokens_;
};

}  // namespace

Expected<CodeLanguage> parse_code_language(std::string_view name) {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) return static_cast<CodeLanguage>(i);
  }
  return Error{unknown_name("language", name, kNames)};
}

std::vector<CodeToken> code_tokens(std::string_view code, CodeLanguage language) {
  return Lexer(code, language).tokens();
}

}  // namespace scsim::exec
