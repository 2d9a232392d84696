#include "exec/scorers/code_functions.h"

#include <catch2/catch.hpp>

#include "exec/scorers/unicode_text.h"
#include "tests/exec/scorers/recorded.h"
#include "traces/rng.h"

namespace scsim::exec {

TEST_CASE("the first function is the one tree-sitter finds", "[exec][scorers]") {
  const auto rows = recorded("functions");
  REQUIRE(rows.size() > 60);
  for (const auto& row : rows) {
    const auto code = row["code"].get<std::string>();
    const CodeLanguage language = parse_code_language(row["language"].get<std::string>()).value();
    const auto found = first_function(code, language);
    const std::string expected =
        row["function"].is_null() ? "" : row["function"].get<std::string>();
    INFO(row["language"] << "\n" << code);
    CHECK((found ? code.substr(found->begin, found->end - found->begin) : "") == expected);
  }
}

TEST_CASE("code without comments is what tree-sitter leaves of it", "[exec][scorers]") {
  for (const auto& row : recorded("functions")) {
    const auto code = row["code"].get<std::string>();
    const CodeLanguage language = parse_code_language(row["language"].get<std::string>()).value();
    INFO(row["language"] << "\n" << code);
    CHECK(split_words(without_comments(code, language)) ==
          split_words(row["plain"].get<std::string>()));
  }
}

TEST_CASE("a function that is found is found again in itself", "[exec][scorers]") {
  for (const auto& row : recorded("functions")) {
    const auto code = row["code"].get<std::string>();
    const CodeLanguage language = parse_code_language(row["language"].get<std::string>()).value();
    const auto found = first_function(code, language);
    if (!found || language == CodeLanguage::kCpp) continue;  // a constructor needs its class
    const std::string function = code.substr(found->begin, found->end - found->begin);
    const auto again = first_function(function, language);
    INFO(function);
    REQUIRE(again);
    CHECK((again->begin == 0 && again->end == function.size()));
  }
}

TEST_CASE("broken code is read to its end in any language", "[exec][scorers]") {
  for (const auto& row : recorded("functions")) {
    const auto code = row["code"].get<std::string>();
    Rng rng(1, "tests.broken_code", code.size());
    for (int i = 0; i < 20; ++i) {
      std::string broken = code.substr(rng.below(code.size()));
      broken = broken.substr(0, rng.below(broken.size() + 1));
      if (!broken.empty()) broken[rng.below(broken.size())] = "\"'`{}()/\\\n\xF0"[rng.below(11)];
      for (const char* name : {"python", "java", "typescript", "rust", "cpp", "go"}) {
        const CodeLanguage language = parse_code_language(name).value();
        const auto found = first_function(broken, language);
        if (found) CHECK((found->begin < found->end && found->end <= broken.size()));
        CHECK(without_comments(broken, language).size() <= broken.size());
      }
    }
  }
}

}  // namespace scsim::exec
