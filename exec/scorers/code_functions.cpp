#include "exec/scorers/code_functions.h"

#include <algorithm>
#include <array>
#include <vector>

namespace scsim::exec {
namespace {

using Kind = CodeToken::Kind;
constexpr std::size_t kNone = static_cast<std::size_t>(-1);

// The tokens of a code but its comments, with the partner of every bracket.
class Tokens {
 public:
  Tokens(std::string_view code, CodeLanguage language) : code_(code) {
    for (const CodeToken& token : code_tokens(code, language)) {
      (token.kind == Kind::kComment ? comments_ : tokens_).push_back(token);
    }
    partner_.assign(tokens_.size(), kNone);
    std::vector<std::size_t> open;
    for (std::size_t i = 0; i < tokens_.size(); ++i) {
      if (is(i, "(") || is(i, "[") || is(i, "{")) open.push_back(i);
      if ((is(i, ")") || is(i, "]") || is(i, "}")) && !open.empty()) {
        partner_[i] = open.back();
        partner_[open.back()] = i;
        open.pop_back();
      }
    }
  }

  std::size_t size() const { return tokens_.size(); }
  const CodeToken& operator[](std::size_t i) const { return tokens_[i]; }
  std::string_view text(std::size_t i) const {
    return i < size() ? tokens_[i].text(code_) : std::string_view();
  }
  bool is(std::size_t i, std::string_view text) const {
    return i < size() && tokens_[i].kind != Kind::kString && tokens_[i].text(code_) == text;
  }
  template <class Names>
  bool is_any(std::size_t i, const Names& names) const {
    return std::ranges::any_of(names, [&](std::string_view name) { return is(i, name); });
  }
  bool is_word(std::size_t i) const { return i < size() && tokens_[i].kind == Kind::kWord; }
  std::size_t partner(std::size_t i) const { return i < size() ? partner_[i] : kNone; }
  // The token after the group of brackets that opens at `i`; kNone if it never closes.
  std::size_t after_group(std::size_t i) const {
    const std::size_t close = partner(i);
    return close == kNone ? kNone : close + 1;
  }
  // After `<...>` at `i`, or `i` where there is none.
  std::size_t after_angles(std::size_t i) const {
    if (!is(i, "<")) return i;
    int depth = 0;
    for (std::size_t k = i; k < size(); ++k) {
      if (partner(k) != kNone && partner(k) > k) k = partner(k);
      if (is(k, "<")) ++depth;
      if (is(k, ">") && --depth == 0) return k + 1;
      if (is(k, ";")) break;
    }
    return i;
  }
  std::optional<CodeSpan> span(std::size_t first, std::size_t last) const {
    return CodeSpan{tokens_[first].begin, tokens_[last].end};
  }
  // The function whose body opens at `body`.
  std::optional<CodeSpan> span_to_body(std::size_t first, std::size_t body) const {
    const std::size_t close = partner(body);
    if (close == kNone) return std::nullopt;
    return span(first, close);
  }
  std::size_t column(std::size_t i) const { return column(tokens_[i]); }
  // Where python's block ends whose last token is `last`: comments after it that are on its line or
  // further in than `outside` are its own.
  std::size_t end_of_block(std::size_t last, std::size_t outside) const {
    std::size_t end = tokens_[last].end;
    for (const CodeToken& comment : comments_) {
      if (comment.begin < end) continue;
      const bool before_next = last + 1 == size() || comment.begin < tokens_[last + 1].begin;
      if (!before_next || (comment.starts_line && column(comment) <= outside)) break;
      end = comment.end;
    }
    return end;
  }
  bool continues_line(std::size_t i) const { return is(i - 1, "\\"); }  // by a backslash

 private:
  std::size_t column(const CodeToken& token) const {  // of the first of its line; a tab is eight
    const std::size_t line = code_.rfind('\n', token.begin);
    const std::size_t start = line == std::string_view::npos ? 0 : line + 1;
    std::size_t columns = 0;
    for (std::size_t k = start; k < token.begin; ++k) columns += code_[k] == '\t' ? 8 : 1;
    return columns;
  }

  std::string_view code_;
  std::vector<CodeToken> tokens_, comments_;
  std::vector<std::size_t> partner_;
};

// The end of a logical line of python that `i` is in: the first token of the next.
std::size_t next_line(const Tokens& tokens, std::size_t i) {
  while (i < tokens.size()) {
    const bool opens = tokens.is(i, "(") || tokens.is(i, "[") || tokens.is(i, "{");
    i = opens && tokens.partner(i) != kNone ? tokens.partner(i) + 1 : i + 1;
    if (i < tokens.size() && tokens[i].starts_line && !tokens.continues_line(i)) return i;
  }
  return tokens.size();
}

std::optional<CodeSpan> python_function(const Tokens& tokens) {
  for (std::size_t line = 0; line < tokens.size(); line = next_line(tokens, line)) {
    const std::size_t def = tokens.is(line, "async") ? line + 1 : line;
    if (!tokens.is(def, "def") || !tokens.is_word(def + 1)) continue;
    std::size_t colon = def + 2;
    while (colon < tokens.size() && !tokens.is(colon, ":")) {
      const std::size_t close = tokens.partner(colon);
      colon = close != kNone && close > colon ? close + 1 : colon + 1;
    }
    if (colon + 1 >= tokens.size()) continue;
    std::size_t end = next_line(tokens, line);  // the first token that is no longer its own
    if (end == colon + 1) {
      const std::size_t outside = tokens.column(line);
      if (tokens.column(end) <= outside) continue;
      while (end < tokens.size() && tokens.column(end) > outside) end = next_line(tokens, end);
    }
    return CodeSpan{tokens[line].begin, tokens.end_of_block(end - 1, tokens.column(line))};
  }
  return std::nullopt;
}

// The first token of the declaration that `name` is in: back to a bracket of a block or a
// semicolon.
std::size_t start_of_declaration(const Tokens& tokens, std::size_t name) {
  std::size_t start = name;
  while (start > 0) {
    const std::size_t before = start - 1;
    if (tokens.is(before, ")") && tokens.partner(before) != kNone) {
      start = tokens.partner(before);
      continue;
    }
    if (tokens.is(before, ";") || tokens.is(before, "{") || tokens.is(before, "}") ||
        tokens[before].kind == Kind::kDirective) {
      break;
    }
    start = before;
  }
  return start;
}

std::optional<CodeSpan> java_function(const Tokens& tokens) {
  constexpr std::array<std::string_view, 12> kModifiers = {
      "public", "protected", "private", "static",    "final",    "abstract",
      "native", "strictfp",  "default", "transient", "volatile", "synchronized"};
  constexpr std::array<std::string_view, 16> kNoTypes = {
      "new",    "return", "else", "throw", "case",       "assert",  "instanceof", "yield",
      "record", "class",  "do",   "enum",  "implements", "package", "import",     "throws"};
  constexpr std::array<std::string_view, 10> kNoNames = {
      "if", "for", "while", "switch", "catch", "synchronized", "try", "super", "this", "return"};
  for (std::size_t name = 1; name + 1 < tokens.size(); ++name) {
    if (!tokens.is_word(name) || !tokens.is(name + 1, "(") || tokens.is_any(name, kNoNames))
      continue;
    const std::size_t type = name - 1;
    const bool typed = tokens.is_word(type)
                           ? !tokens.is_any(type, kModifiers) && !tokens.is_any(type, kNoTypes)
                           : tokens.is(type, ">") || tokens.is(type, "]");
    if (!typed) continue;
    const std::size_t start = start_of_declaration(tokens, name);
    std::size_t bare = start;
    while (tokens.is_any(bare, kModifiers)) ++bare;
    const bool constructor = tokens.is(bare, "<") && tokens.after_angles(bare) == name;
    bool expression = false;
    for (std::size_t k = start; k < name; ++k) {
      const bool annotation_part = tokens.is(k, "(") && k >= 2 && tokens.is_word(k - 1);
      if (annotation_part && tokens.partner(k) != kNone) k = tokens.partner(k);
      expression |= tokens.is(k, "=") || tokens.is(k, "->") || tokens.is(k, "+") ||
                    tokens.is_any(k, kNoTypes) || tokens.is(k, ":");
    }
    if (expression || constructor) continue;
    std::size_t end = tokens.after_group(name + 1);
    while (tokens.is(end, "[") || tokens.is(end, "]")) ++end;
    if (tokens.is(end, "throws")) {
      while (end < tokens.size() && !tokens.is(end, "{") && !tokens.is(end, ";")) ++end;
    }
    if (tokens.is(end, ";")) return tokens.span(start, end);
    if (tokens.is(end, "{") && tokens.partner(end) != kNone) return tokens.span_to_body(start, end);
  }
  return std::nullopt;
}

// The body's bracket after a TypeScript result type that starts at `i`; kNone where there is none.
std::size_t after_result_type(const Tokens& tokens, std::size_t i) {
  constexpr std::array<std::string_view, 11> kBeforeType = {":", "|",  "&",     "=>", "<",
                                                            ",", "is", "keyof", "?",  "readonly"};
  while (i < tokens.size()) {
    if (tokens.is(i, ";") || tokens.is(i, "}")) return kNone;
    if (tokens.is(i, "{") && !tokens.is_any(i - 1, kBeforeType)) return i;
    const bool opens = tokens.is(i, "(") || tokens.is(i, "[") || tokens.is(i, "{");
    i = opens && tokens.partner(i) != kNone ? tokens.partner(i) + 1 : i + 1;
  }
  return kNone;
}

std::optional<CodeSpan> typescript_function(const Tokens& tokens) {
  constexpr std::array<std::string_view, 9> kBeforeStatement = {
      ";", "{", "}", ")", "export", ":", "default", "declare", "else"};
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (!tokens.is(i, "function") || !tokens.is_word(i + 1)) continue;
    const std::size_t start = i > 0 && tokens.is(i - 1, "async") ? i - 1 : i;
    const bool after_value = start > 0 && tokens[start].starts_line &&
                             (tokens[start - 1].kind != Kind::kSymbol || tokens.is(start - 1, "]"));
    const bool statement = start == 0 || after_value || tokens.is_any(start - 1, kBeforeStatement);
    const std::size_t parameters = tokens.after_angles(i + 2);
    if (!statement || !tokens.is(parameters, "(")) continue;
    std::size_t body = tokens.after_group(parameters);
    if (tokens.is(body, ":")) body = after_result_type(tokens, body);
    if (tokens.is(body, "{") && tokens.partner(body) != kNone) {
      return tokens.span_to_body(start, body);
    }
  }
  return std::nullopt;
}

std::optional<CodeSpan> rust_function(const Tokens& tokens) {
  constexpr std::array<std::string_view, 6> kModifiers = {"const",  "async",   "unsafe",
                                                          "extern", "default", "pub"};
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (tokens.is_word(i) && tokens.is(i + 1, "!")) {  // a macro's tokens are no code yet
      const std::size_t group = tokens.is_word(i + 2) ? i + 3 : i + 2;
      if (tokens.partner(group) != kNone && tokens.partner(group) > group)
        i = tokens.partner(group);
      continue;
    }
    if (!tokens.is(i, "fn") || !tokens.is_word(i + 1)) continue;
    std::size_t start = i;
    while (start > 0) {
      const std::size_t before = start - 1;
      const bool restricted = tokens.is(before, ")") && tokens.partner(before) != kNone &&
                              tokens.partner(before) > 0 &&
                              tokens.is(tokens.partner(before) - 1, "pub");
      const bool foreign =
          tokens[before].kind == Kind::kString && before > 0 && tokens.is(before - 1, "extern");
      if (!restricted && !foreign && !tokens.is_any(before, kModifiers)) break;
      start = restricted ? tokens.partner(before) : before;
    }
    for (std::size_t body = i + 2; body < tokens.size() && !tokens.is(body, ";");) {
      if (tokens.is(body, "{")) {
        if (tokens.partner(body) != kNone) return tokens.span_to_body(start, body);
        break;
      }
      const std::size_t close = tokens.partner(body);
      body = close != kNone && close > body ? close + 1 : body + 1;
    }
  }
  return std::nullopt;
}

// For every token of C++: whether the innermost block around it is the body of a class.
std::vector<bool> directly_in_class(const Tokens& tokens) {
  std::vector<bool> result(tokens.size(), false);
  std::vector<bool> scopes;
  bool class_ahead = false;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    result[i] = !scopes.empty() && scopes.back();
    if (tokens.is(i, "class") || tokens.is(i, "struct") || tokens.is(i, "union")) {
      class_ahead =
          !(i > 0 && (tokens.is(i - 1, "<") || tokens.is(i - 1, ",") || tokens.is(i - 1, "enum")));
    }
    if (tokens.is(i, ";") || tokens.is(i, ")") || tokens.is(i, "=")) class_ahead = false;
    if (tokens.is(i, "{")) {
      scopes.push_back(class_ahead);
      class_ahead = false;
    }
    if (tokens.is(i, "}") && !scopes.empty()) scopes.pop_back();
  }
  return result;
}

// Past `const`, `noexcept(...)` and the like.
std::size_t after_qualifiers(const Tokens& tokens, std::size_t i) {
  constexpr std::array<std::string_view, 7> kQualifiers = {
      "const", "noexcept", "override", "final", "volatile", "mutable", "try"};
  while (tokens.is_any(i, kQualifiers)) {
    ++i;
    if (tokens.is(i, "(")) i = tokens.after_group(i);
  }
  return i;
}

// After the parameters of a C++ function that end before `i`: the body's bracket, or kNone.
std::size_t cpp_body(const Tokens& tokens, std::size_t i) {
  i = after_qualifiers(tokens, i);
  if (tokens.is(i, "->") || tokens.is(i, "requires")) {
    while (i < tokens.size() && !tokens.is(i, "{") && !tokens.is(i, ";")) ++i;
  }
  if (tokens.is(i, ":")) {  // member(value) or member{value}, comma between them
    for (++i; i < tokens.size();) {
      while (i < tokens.size() && !tokens.is(i, "(") && !tokens.is(i, "{") && !tokens.is(i, ";"))
        ++i;
      i = tokens.after_group(i);
      if (!tokens.is(i, ",")) break;
      ++i;
    }
  }
  return tokens.is(i, "{") && tokens.partner(i) != kNone ? i : kNone;
}

// As start_of_declaration, but after `public:`.
std::size_t start_of_member(const Tokens& tokens, std::size_t name) {
  constexpr std::array<std::string_view, 3> kAccess = {"public", "protected", "private"};
  std::size_t start = start_of_declaration(tokens, name);
  for (std::size_t k = start; k + 1 < name; ++k) {
    if (tokens.is_any(k, kAccess) && tokens.is(k + 1, ":")) start = k + 2;
  }
  return start;
}

std::optional<CodeSpan> cpp_function(const Tokens& tokens) {
  constexpr std::array<std::string_view, 18> kNoTypes = {
      "new",       "return",   "else",     "throw",   "case",     "operator",
      "co_return", "co_await", "do",       "virtual", "explicit", "namespace",
      "using",     "goto",     "typename", "delete",  "friend",   "co_yield"};
  constexpr std::array<std::string_view, 14> kNoNames = {
      "if",      "for",      "while",    "switch",   "catch",   "sizeof",        "decltype",
      "alignas", "noexcept", "operator", "requires", "alignof", "__attribute__", "static_assert"};
  constexpr std::array<std::string_view, 7> kBeforeConstructor = {
      "{", "}", ";", "explicit", "constexpr", "consteval", "inline"};
  const std::vector<bool> in_class = directly_in_class(tokens);
  for (std::size_t name = 0; name + 1 < tokens.size(); ++name) {
    if (!tokens.is_word(name) || !tokens.is(name + 1, "(") || tokens.is_any(name, kNoNames))
      continue;
    std::size_t start = start_of_member(tokens, name);
    const bool templated = name > 0 && tokens.is(name - 1, ">") && tokens.is(start, "template");
    const bool constructor =
        in_class[name] && name > 0 &&
        (start == name || templated || tokens.is_any(name - 1, kBeforeConstructor));
    const bool typed = !in_class[name] && name > 0 &&
                       (tokens.is(name - 1, ">") ||
                        (tokens.is_word(name - 1) && !tokens.is_any(name - 1, kNoTypes)));
    if (!constructor && !typed) continue;
    const std::size_t after = after_qualifiers(tokens, tokens.after_group(name + 1));
    const std::size_t body = cpp_body(tokens, after);
    const bool defaulted = constructor && tokens.is(after, "=") && tokens.is(after + 2, ";") &&
                           (tokens.is(after + 1, "default") || tokens.is(after + 1, "delete"));
    if (body == kNone && !defaulted) continue;
    if (start != name && tokens.is(start + 1, "(") && tokens.partner(start + 1) < name) {
      const std::size_t next = tokens.partner(start + 1) + 1;  // a macro on a line of its own
      if (tokens[next].starts_line) start = next;
    }
    while (tokens.is(start, "template")) start = tokens.after_angles(start + 1);
    if (tokens.is(start, "extern") && tokens[start + 1].kind == Kind::kString) start += 2;
    if (defaulted) return tokens.span(start, after + 2);
    std::size_t end = tokens.partner(body);
    while (tokens.is(end + 1, "catch") && tokens.is(tokens.after_group(end + 2), "{")) {
      const std::size_t close = tokens.partner(tokens.after_group(end + 2));
      if (close == kNone) break;
      end = close;
    }
    return tokens.span(start, end);
  }
  return std::nullopt;
}

std::optional<CodeSpan> go_function(const Tokens& tokens) {
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (!tokens.is(i, "func") || !tokens.is_word(i + 1)) continue;
    std::size_t at = i + 2;
    if (tokens.is(at, "[")) at = tokens.after_group(at);
    if (!tokens.is(at, "(")) continue;
    at = tokens.after_group(at);
    if (at == kNone) continue;
    const std::size_t signature = at;
    while (at < tokens.size() && (at == signature || !tokens[at].starts_line)) {
      if (at == signature && tokens[at].starts_line) break;
      if (tokens.is(at, "{") && !tokens.is(at - 1, "interface") && !tokens.is(at - 1, "struct")) {
        return tokens.span_to_body(i, at);
      }
      const std::size_t close = tokens.partner(at);
      at = close != kNone && close > at ? close + 1 : at + 1;
    }
    return tokens.span(i, at - 1);  // a declaration without a body
  }
  return std::nullopt;
}

}  // namespace

std::optional<CodeSpan> first_function(std::string_view code, CodeLanguage language) {
  const Tokens tokens(code, language);
  switch (language) {
    case CodeLanguage::kPython:
      return python_function(tokens);
    case CodeLanguage::kJava:
      return java_function(tokens);
    case CodeLanguage::kTypescript:
      return typescript_function(tokens);
    case CodeLanguage::kRust:
      return rust_function(tokens);
    case CodeLanguage::kCpp:
      return cpp_function(tokens);
    case CodeLanguage::kGo:
      return go_function(tokens);
  }
  return std::nullopt;
}

std::string without_comments(std::string_view code, CodeLanguage language) {
  const std::vector<CodeToken> tokens = code_tokens(code, language);
  std::string result;
  std::size_t copied = 0;
  const auto leave_out = [&](const CodeToken& token) {
    result += code.substr(copied, token.begin - copied);
    copied = token.end;
  };
  int depth = 0;  // of brackets
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const CodeToken& token = tokens[i];
    const std::string_view text = token.text(code);
    if (token.kind == Kind::kSymbol) {
      if (text == "(" || text == "[" || text == "{") ++depth;
      if (text == ")" || text == "]" || text == "}") --depth;
    }
    if (token.kind == Kind::kComment) leave_out(token);
    const bool indented = token.begin > 0 && code[token.begin - 1] != '\n';
    const bool alone = token.starts_line && (i + 1 == tokens.size() || tokens[i + 1].starts_line ||
                                             tokens[i + 1].kind == Kind::kComment);
    if (language == CodeLanguage::kPython && token.kind == Kind::kString && indented && alone &&
        depth == 0) {
      leave_out(token);
    }
  }
  result += code.substr(copied);
  return result;
}

}  // namespace scsim::exec
