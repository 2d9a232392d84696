#include <numeric>

#include "tests/exec/tasks/sample.h"

namespace scsim::exec::test {

TEST_CASE("the middle goes: a prefix and a suffix of half the budget each stay", "[exec][tasks]") {
  for (std::size_t n = 0; n < 30; ++n) {
    std::vector<std::int32_t> tokens(n);
    std::iota(tokens.begin(), tokens.end(), 0);
    for (std::int64_t budget = 2; budget < 32; ++budget) {
      const MiddleCut kept = cut_middle(tokens, budget);
      CHECK(kept.cut == (n > static_cast<std::size_t>(budget)));
      if (!kept.cut) {
        CHECK(kept.tokens == tokens);
        CHECK(kept.head == n);
        continue;
      }
      const std::size_t half = static_cast<std::size_t>(budget / 2);
      CHECK(kept.head == half);
      REQUIRE(kept.tokens.size() == 2 * half);
      for (std::size_t i = 0; i < half; ++i) {
        CHECK(kept.tokens[i] == tokens[i]);
        CHECK(kept.tokens[half + i] == tokens[n - half + i]);
      }
    }
  }
}

TEST_CASE("budgets are those of the released code", "[exec][tasks]") {
  // 131,072 less the limit for each of five turns; mixed: less half of five times both limits.
  const auto budget = [](std::string_view name, SessionMode mode) {
    return first_prompt_budget(task(name), mode, 131072, 5);
  };
  CHECK(budget("kv", SessionMode::kMultiTurn) == 130322);
  CHECK(budget("repoqa", SessionMode::kMultiTurn) == 125952);
  CHECK(budget("summary_with_needles", SessionMode::kMultiTurn) == 129035);
  CHECK(budget("repoqa_and_kv", SessionMode::kMultiTurn) == 128312);
  CHECK(budget("kv", SessionMode::kMultiRequest) == 129322);
}

TEST_CASE("an answer survives on one side of the cut, not across it", "[exec][tasks]") {
  TaskSession session;
  session.task = "kv";
  session.context = "aaa bbb ccc";
  Turn turn;
  turn.answers = {"bbb"};
  session.turns = {turn};
  CHECK(answers_survived(session, "aaa bbb", "")[0] == true);
  CHECK(answers_survived(session, "aaa", "bbb ccc")[0] == true);
  CHECK(answers_survived(session, "aaa b", "bb ccc")[0] == false);
  session.turns[0].answers = {"zzz"};  // never stood there
  CHECK_FALSE(answers_survived(session, "aaa", "ccc")[0].has_value());
}

}  // namespace scsim::exec::test
