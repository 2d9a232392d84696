#include <catch2/catch.hpp>

#include "tests/exec/scorers/judged.h"

namespace scsim::exec {
namespace {

const Texts kCities = {"London", "Paris", "Rome", "Oslo"};

}  // namespace

TEST_CASE("choice_eng: the letter in any usual form is right, and so is the text",
          "[exec][scorers]") {
  for (const char* prediction :
       {"C", "(C)", "C.", "C) Rome", "c", "**C**", "Rome", "rome.", "The answer is C",
        "Answer: (c)", "The correct answer is: Rome, of course", "I would say Rome",
        "Option C is right", "C is it"}) {
    INFO(prediction);
    CHECK(strict("choice_eng", prediction, {"Rome"}, kCities) == 1);
    CHECK(strict("choice_eng", prediction, {"C"}, kCities) == 1);
    CHECK(strict("choice_eng", prediction, {"Oslo"}, kCities) == 0);
  }
  for (const char* prediction : {"", "A train to somewhere", "London or Rome", "I cannot say"}) {
    INFO(prediction);
    for (const std::string& city : kCities) {
      CHECK(strict("choice_eng", prediction, {city}, kCities) == 0);
    }
  }
}

TEST_CASE("choice_eng: scbench_compat knows no letter in parentheses", "[exec][scorers]") {
  CHECK(compat("choice_eng", "(C)", {"Rome"}, kCities) == 0);
  CHECK(strict("choice_eng", "(C)", {"Rome"}, kCities) == 1);
}

TEST_CASE("choice_eng: scbench_compat takes a word that begins with A to D for the letter",
          "[exec][scorers]") {
  CHECK(compat("choice_eng", "A train took him to Rome", {"London"}, kCities) == 1);
  CHECK(strict("choice_eng", "A train took him to Rome", {"London"}, kCities) == 0);
  CHECK(compat("choice_eng", "Certainly Rome", {"Rome"}, kCities) == 1);  // C, for another reason
}

TEST_CASE("choice_eng: scbench_compat passes over one character after the cue, read or not",
          "[exec][scorers]") {
  CHECK(compat("choice_eng", "the answer is C", {"Rome"}, kCities) == 1);
  CHECK(compat("choice_eng", "the answer is  (C", {"Rome"}, kCities) == 0);
  CHECK(compat("choice_eng", "the answer:C", {"Rome"}, kCities) == 0);
  CHECK(strict("choice_eng", "the answer:C", {"Rome"}, kCities) == 1);
}

TEST_CASE("choice_eng: an answer that is no option is named", "[exec][scorers]") {
  const Texts answers = {"Bern"};
  const auto result = score("choice_eng", ScoreRule::kStrict,
                            {.prediction = "C", .answers = answers, .options = kCities});
  REQUIRE(!result);
  CHECK(result.error().message ==
        "choice_eng: the answer \"Bern\" is none of the options, nor one's letter");
}

}  // namespace scsim::exec
