#include <algorithm>

#include "tests/exec/tasks/sample.h"

namespace scsim::exec::test {

TEST_CASE("choice_eng: four different options, one of them right, at every place",
          "[exec][tasks]") {
  const std::optional<Material> material = data_material();
  if (!material) return;
  std::set<std::ptrdiff_t> right_at;
  for (std::uint64_t number = 0; number < 4; ++number) {
    const TaskSession session = check_laws(
        task("choice_eng"), *material, {.tokens = 900, .turns = 6, .seed = 1, .session = number});
    for (const Turn& turn : session.turns) {
      CHECK(std::set<std::string>(turn.options.begin(), turn.options.end()).size() == 4);
      const auto at = std::ranges::find(turn.options, turn.answers.front());
      REQUIRE(at != turn.options.end());
      right_at.insert(at - turn.options.begin());
    }
  }
  CHECK(right_at == std::set<std::ptrdiff_t>{0, 1, 2, 3});
}

TEST_CASE("choice_eng: released words, and where they differ", "[exec][tasks]") {
  TaskSession session;
  session.task = "choice_eng";
  session.context = "A book.";
  Turn turn;
  turn.question = "Who?";
  turn.options = {"Ann", "Bob", "Cy", "Di"};
  turn.answers = {"Bob"};
  session.turns = {turn, turn};
  const std::string block = "Question: Who?\nA. Ann\nB. Bob\nC. Cy\nD. Di\n\n";
  const PromptPlan chat = plan_prompts(session, {});
  CHECK(chat.context == "Read the book and answer the question.\n\nA book.");
  CHECK(chat.turns[0].prompt == "\n\n" + block + "The the correct answer is");
  CHECK(chat.turns[1].prompt == block + "The the correct answer is");
  CHECK(chat.turns[1].target == "Bob");
  const PromptPlan raw = plan_prompts(session, {.chat = false});
  CHECK(raw.turns[1].prompt == "\n\n" + block + "The letter of the correct answer is");
  const PromptPlan own = plan_prompts(session, {.chat = false, .golden_answers = false});
  CHECK(own.turns[1].prompt == block + "The the correct answer is");
  const PromptPlan plain = plan_prompts(session, {.style = PromptStyle::kPlain});
  CHECK(plain.turns[0].target == " B");
}

}  // namespace scsim::exec::test
