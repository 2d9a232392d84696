#include <catch2/catch.hpp>

#include "tests/exec/scorers/judged.h"

namespace scsim::exec {
namespace {

double value_score(ScoreRule rule, SessionMode mode) {
  const Texts answers = {"1b2c"};
  return score("repoqa_and_kv", rule,
               {.prediction = "1b2c", .answers = answers, .task = "kv", .mode = mode})
      .value();
}

}  // namespace

TEST_CASE("repoqa_and_kv: scbench_compat scores every value 0 in multi-request mode",
          "[exec][scorers]") {
  CHECK(value_score(ScoreRule::kScbenchCompat, SessionMode::kMultiTurn) == 1);
  CHECK(value_score(ScoreRule::kScbenchCompat, SessionMode::kMultiRequest) == 0);
  CHECK(value_score(ScoreRule::kStrict, SessionMode::kMultiTurn) == 1);
  CHECK(value_score(ScoreRule::kStrict, SessionMode::kMultiRequest) == 1);
}

TEST_CASE("repoqa_and_kv: functions are judged in both modes", "[exec][scorers]") {
  const std::vector<Needle> needles = {{"f", "func f(a int) int { return a + a }"}};
  for (const ScoreRule rule : {ScoreRule::kScbenchCompat, ScoreRule::kStrict}) {
    for (const SessionMode mode : {SessionMode::kMultiTurn, SessionMode::kMultiRequest}) {
      CHECK(score("repoqa_and_kv", rule,
                  {.prediction = needles[0].code,
                   .task = "repoqa",
                   .language = "go",
                   .function_name = "f",
                   .needles = needles,
                   .mode = mode})
                .value() == 1);
    }
  }
}

}  // namespace scsim::exec
