#include <catch2/catch.hpp>

#include "tests/exec/scorers/judged.h"

namespace scsim::exec {
namespace {

const std::vector<Needle> kNeedles = {
    {"total",
     "def total(items):\n    # in cents\n    result = 0\n    for item in items:\n"
     "        result += item.price * item.count\n    return result\n"},
    {"longest",
     "def longest(words):\n    best = \"\"\n    for word in words:\n"
     "        if len(word) > len(best):\n            best = word\n    return best\n"}};

double repoqa(ScoreRule rule, const std::string& prediction, std::string_view asked = "total",
              std::span<const Needle> needles = kNeedles) {
  return score("repoqa", rule,
               {.prediction = prediction,
                .language = "python",
                .function_name = asked,
                .needles = needles})
      .value();
}
constexpr ScoreRule kCompat = ScoreRule::kScbenchCompat, kStrict = ScoreRule::kStrict;

std::string fenced(const std::string& code) { return "Here:\n```python\n" + code + "```\nDone."; }

}  // namespace

TEST_CASE("repoqa: the function asked for is right, bare or in a fence", "[exec][scorers]") {
  for (const ScoreRule rule : {kCompat, kStrict}) {
    CHECK(repoqa(rule, kNeedles[0].code) == 1);
    CHECK(repoqa(rule, fenced(kNeedles[0].code)) == 1);
    CHECK(repoqa(rule, fenced(kNeedles[0].code), "longest") == 0);
    CHECK(repoqa(rule, fenced(kNeedles[1].code), "longest") == 1);
    CHECK(repoqa(rule, "I do not know.") == 0);
    CHECK(repoqa(rule, "") == 0);
  }
}

TEST_CASE("repoqa: only the first function of the fenced blocks counts", "[exec][scorers]") {
  const std::string both = fenced(kNeedles[1].code + "\n\n" + kNeedles[0].code);
  CHECK(repoqa(kCompat, both) == 0);
  CHECK(repoqa(kStrict, both) == 0);
}

TEST_CASE("repoqa: scbench_compat counts comments", "[exec][scorers]") {
  std::string commented = kNeedles[0].code;
  commented.insert(commented.find("    result"),
                   "    # This adds up what everything costs, price times count, over all items\n");
  CHECK(repoqa(kCompat, fenced(commented)) == 0);
  CHECK(repoqa(kStrict, fenced(commented)) == 1);
}

TEST_CASE("repoqa: scbench_compat does not see a block whose fence was never closed",
          "[exec][scorers]") {
  std::string prediction = "The function that you describe is this one, as far as I can tell:\n";
  prediction += "```python\n" + kNeedles[0].code;
  CHECK(repoqa(kCompat, prediction) == 0);
  CHECK(repoqa(kStrict, prediction) == 1);
}

TEST_CASE("repoqa: scbench_compat gives a tie to the needle seen first", "[exec][scorers]") {
  const std::vector<Needle> twins = {{"first", kNeedles[0].code}, {"second", kNeedles[0].code}};
  CHECK(repoqa(kCompat, fenced(kNeedles[0].code), "second", twins) == 0);
  CHECK(repoqa(kStrict, fenced(kNeedles[0].code), "second", twins) == 1);
}

TEST_CASE("repoqa: a language or function that is not known is named", "[exec][scorers]") {
  const auto language = score("repoqa", kStrict, {.language = "pyton"});
  REQUIRE(!language);
  CHECK(language.error().message ==
        "repoqa: unknown language \"pyton\"; did you mean \"python\"? known: python, java, "
        "typescript, rust, cpp, go");
  const auto function = score("repoqa", kStrict, {.language = "go", .function_name = "f"});
  REQUIRE(!function);
  CHECK(function.error().message ==
        "repoqa: the function asked for, \"f\", is none of the repository's needles");
}

}  // namespace scsim::exec
