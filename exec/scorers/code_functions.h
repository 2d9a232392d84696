// The first function in a text of code, and code without its comments: what RepoQA's scorer needs
// of a parser.
//
//   std::optional<CodeSpan> found = first_function(code, CodeLanguage::kGo);
//
// RepoQA asks tree-sitter for the first node of one kind. We find the same by looking at tokens: no
// grammar of six languages to build against, and no error recovery to imitate. What counts, by
// language (the kind of node):
//
//   python      def, async def, nested ones too; without decorators
//   java        methods, with modifiers and annotations, with or without a body; no constructors
//   typescript  function declarations, async too; no methods, arrows, generators, overloads
//   rust        fn with a body, with its modifiers, without attributes
//   cpp         functions defined with a plain name and a return type that ends in a name: no
//               pointer or reference as result, no A::f, no methods inside a class (constructors
//               there count), without the template line
//   go          functions without a receiver
//
// On well-formed code the two agree (tests/data/scorers has the cases), but for two kinds: a
// requires clause under a template line of C++ is taken for the function's, and an element of a
// Java annotation for a method. On broken code tree-sitter's recovery decides and may find another
// span, or none. Cost: linear.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "exec/scorers/code_tokens.h"

namespace scsim::exec {

struct CodeSpan {
  std::size_t begin = 0, end = 0;  // bytes
};

std::optional<CodeSpan> first_function(std::string_view code, CodeLanguage language);

// Without comments and, in python, strings that stand alone as an indented statement (docstrings).
std::string without_comments(std::string_view code, CodeLanguage language);

}  // namespace scsim::exec
