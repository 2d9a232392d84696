#include "tests/exec/tasks/sample.h"

namespace scsim::exec::test {

TEST_CASE("summary: the reference is the page's own line and is not in the context",
          "[exec][tasks]") {
  const SampleMaterial sample;
  const TaskSession session =
      check_laws(task("summary"), sample.material(), {.tokens = 900, .turns = 5});
  CHECK(count_tokens(session.context) > 880);
  for (const Turn& turn : session.turns) {
    CHECK(turn.answers.front().starts_with("sort the papers of drawer "));
    CHECK(session.context.find(turn.answers.front()) == std::string::npos);
  }
}

TEST_CASE("summary: This paper begins all answers but the first, in chat alone", "[exec][tasks]") {
  const SampleMaterial sample;
  const TaskSession session =
      check_laws(task("summary"), sample.material(), {.tokens = 700, .turns = 3});
  const PromptPlan chat = plan_prompts(session, {});
  CHECK(chat.turns[0].lead.empty());
  CHECK(chat.turns[1].lead == "This paper");
  CHECK(chat.turns[2].lead == "This paper");
  for (const TurnPrompt& turn : plan_prompts(session, {.chat = false}).turns) {
    CHECK(turn.lead.empty());
  }
}

TEST_CASE("summary: this machine's manual pages make a session", "[exec][tasks]") {
  const Material material = Material::find();
  if (!material.manual.empty()) {
    const Expected<TaskSession> session =
        task("summary").generate({.tokens = 4000, .turns = 5}, material, count_tokens);
    if (session) {
      CHECK(count_tokens(session->context) > 3800);  // less than a line is missing
      CHECK(session->context.find("\\f") == std::string::npos);
      return;
    }
  }
  std::cout << "SKIPPED: no manual pages" << std::endl;
}

TEST_CASE("summary: without its material it says what to install", "[exec][tasks]") {
  CHECK(task("summary").generate({}, {}, count_tokens).error().message.find("manpages") !=
        std::string::npos);
}

}  // namespace scsim::exec::test
