#include "tests/exec/tasks/sample.h"

namespace scsim::exec::test {

TEST_CASE("qa_chn: the answer stands behind the page's name", "[exec][tasks]") {
  const SampleMaterial sample;
  const TaskSession session =
      check_laws(task("qa_chn"), sample.material(), {.tokens = 2500, .turns = 4});
  for (const Turn& turn : session.turns) {
    CHECK(turn.answers.front().starts_with("整理第"));
    CHECK(session.context.find(turn.opening + " " + turn.answers.front()) != std::string::npos);
  }
}

TEST_CASE("qa_chn: released words", "[exec][tasks]") {
  const SampleMaterial sample;
  const TaskSession session =
      check_laws(task("qa_chn"), sample.material(), {.tokens = 2500, .turns = 2});
  const PromptPlan plan = plan_prompts(session, {.mode = SessionMode::kMultiRequest});
  CHECK(plan.context == "阅读以下书籍然后回答问题。\n\n" + session.context);
  CHECK(plan.turns[0].prompt == "问题：" + session.turns[0].question + "\n答案：");
}

TEST_CASE("qa_chn: without its material it says what to install", "[exec][tasks]") {
  CHECK(task("qa_chn").generate({}, {}, count_tokens).error().message.find("manpages-zh") !=
        std::string::npos);
}

}  // namespace scsim::exec::test
