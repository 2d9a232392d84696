#include "exec/tasks/manual_pages.h"

#include <catch2/catch.hpp>

namespace scsim::exec {

TEST_CASE("a manual page's fonts, requests and escapes become text", "[exec][tasks]") {
  const std::string source =
      "'\\\" t\n.\\\" a comment\n.TH X 1\n.SH \"NAME\"\n\\fBx\\-y\\fR \\- do a \\(lqthing\\(rq\n"
      ".SH DESCRIPTION\n.PP\n.BR cat (1)\nsays \\fIa\\fP, \\[co] and\\~b\\&.\n.B one two\n.RS 4\n"
      "C:\\e dir \\s-1SMALL\\s0\n.IP \\(bu 2\nlast\n";
  const std::optional<ManualPage> page = parse_manual_page(source);
  REQUIRE(page);
  CHECK(page->name == "x-y");
  CHECK(page->summary == "do a \"thing\"");
  const std::vector<std::string> lines = {"DESCRIPTION", "cat(1)",         "says a, (c) and b.",
                                          "one two",     "C:\\ dir SMALL", "last"};
  CHECK(page->lines == lines);
}

TEST_CASE("a long line is cut into its sentences, nothing of it lost", "[exec][tasks]") {
  const std::string first = "This sentence is long enough that what follows it stands by itself.";
  const std::string second = "And so is this one, which goes on for as long as the first one did.";
  const std::optional<ManualPage> page = parse_manual_page(
      ".SH NAME\nx \\- a summary\n.SH D\na\nb\nc\n" + first + " " + second + " Short.\n");
  REQUIRE(page);
  const std::vector<std::string> lines = {"D", "a", "b", "c", first, second, "Short."};
  CHECK(page->lines == lines);
}

TEST_CASE("pages that are no prose are passed over", "[exec][tasks]") {
  CHECK_FALSE(parse_manual_page(".so man1/other.1\n"));
  CHECK_FALSE(parse_manual_page(".Dd 2020\n.Sh NAME\n"));
  CHECK_FALSE(parse_manual_page(""));
  CHECK_FALSE(parse_manual_page(".SH NAME\na, b \\- two names\n.SH D\n1\n2\n3\n4\n5\n6\n"));
}

TEST_CASE("any bytes can be a manual page", "[exec][tasks]") {
  const std::string pieces[] = {"\\", "\\f", "\\(", "\\[", "\\h'", ".SH", "\n",
                                " ",  "\"",  "x",   "\\*", "\\s+", "-",   " \\- "};
  Rng rng(1, "test");
  for (int i = 0; i < 20000; ++i) {
    std::string source = ".SH NAME\nx \\- a summary\n.SH D\n";
    for (int j = 0; j < 12; ++j) source += pieces[rng.below(std::size(pieces))];
    const std::optional<ManualPage> page = parse_manual_page(source);
    if (page) CHECK(page->lines.size() >= 5);
  }
}

}  // namespace scsim::exec
