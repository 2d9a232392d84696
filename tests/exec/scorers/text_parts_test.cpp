// The small parts that scorers share: numbers, overlaps, options, fences, Unicode.
#include <catch2/catch.hpp>

#include "exec/scorers/code_answer.h"
#include "exec/scorers/numbers.h"
#include "exec/scorers/option_answer.h"
#include "exec/scorers/overlap.h"
#include "exec/scorers/unicode_text.h"

namespace scsim::exec {

using Words = std::vector<std::string>;

TEST_CASE("numbers are read with sign, groups and fraction, and written one way",
          "[exec][scorers]") {
  CHECK(numbers_in("-1,204.50, +7 and \xE2\x88\x92"
                   "3; 1,2 1,2345 007 -0 x8 9y 3.") ==
        Words{"-1204.5", "7", "-3", "1", "2", "1", "2345", "7", "0", "3"});
  CHECK(leading_integer("no. 12.9") == 12);
  CHECK(leading_integer("\xD9\xA3\xD9\xA4") == 34);  // Arabic digits
  CHECK(!leading_integer("none"));
  CHECK(!leading_integer("99999999999999999999"));
  CHECK(first_digit_run("key 0071, 5") == "0071");
}

TEST_CASE("SQuAD's words have no case, punctuation or articles", "[exec][scorers]") {
  CHECK(squad_words("The cat, an old one, sat on  a-mat.") ==
        Words{"cat", "old", "one", "sat", "on", "amat"});
  CHECK(squad_words("the\xE2\x80\x94"
                    "end") == Words{"\xE2\x80\x94"
                                    "end"});
}

TEST_CASE("overlap counts what both have as often as both have it", "[exec][scorers]") {
  CHECK(f1_of_overlap(Words{"a", "a", "b"}, Words{"a", "b", "b"}) == Approx(2.0 / 3));
  CHECK(f1_of_overlap(Words{}, Words{"a"}) == 0);
  CHECK(contains_in_a_row(Words{"a", "b", "c"}, Words{"b", "c"}));
  CHECK(!contains_in_a_row(Words{"a", "b", "c"}, Words{"a", "c"}));
}

TEST_CASE("an option is meant by letter or text, and an article is none", "[exec][scorers]") {
  const Words options = {"Ann", "Ann Lee", "a boat", "A"};
  CHECK(meant_option("It was Ann Lee.", options) == 'B');
  CHECK(meant_option("A boat it was", options) == 'C');
  CHECK(meant_option("A ship it was", options) == std::nullopt);
  CHECK(meant_option("a boat", options) == 'C');
  CHECK(meant_option("the answer is Ann Lee, not Ann", options) == 'B');
  CHECK(meant_option("(b) or (b)", options) == 'B');
  CHECK(meant_option("either (b) or (c)", options) == std::nullopt);
  CHECK(meant_option("E", options) == std::nullopt);
  CHECK(meant_option("E", {}) == 'E');
}

TEST_CASE("fenced blocks open with a language or nothing and close at a line's start",
          "[exec][scorers]") {
  CHECK(fenced_blocks("a\n```go\n\n  x\n```\nb\n```\ny ```\n```", false) ==
        Words{"  x\n", "y ```\n"});
  CHECK(fenced_blocks("```c++\nx\n```\ny\n```\n", false) == Words{"y\n"});  // "++" opens nothing
  CHECK(fenced_blocks("```\nx", false).empty());
  CHECK(fenced_blocks("```\nx", true) == Words{"x"});
}

TEST_CASE("text is Unicode, with Python's spaces and cases", "[exec][scorers]") {
  CHECK(strip("\x1C \xE3\x80\x80"
              "a b\xC2\xA0\n") == "a b");
  CHECK(split_words("a\xE2\x80\x83"
                    "b\x1F c") == Words{"a", "b", "c"});
  CHECK(upper_case("stra\xC3\x9F"
                   "e") == "STRASSE");
  CHECK(lower_case("\xC3\x84\xCE\xA3") == "\xC3\xA4\xCF\x82");  // a final sigma
  CHECK(to_utf8(code_points("a\xFF\xF0\x9F\x98\x80")) == "a\xEF\xBF\xBD\xF0\x9F\x98\x80");
  CHECK(contains_bounded("xab ab", "ab"));
  CHECK(!contains_bounded("xab ab_", "ab"));
}

}  // namespace scsim::exec
