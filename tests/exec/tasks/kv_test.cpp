#include "tests/exec/tasks/sample.h"
#include "traces/json_rows.h"

namespace scsim::exec::test {

TEST_CASE("kv: the answer is what a JSON parser finds under the key", "[exec][tasks]") {
  for (const std::int64_t tokens : {400, 1024, 5000}) {
    const TaskSession session =
        check_laws(task("kv"), {}, {.tokens = tokens, .turns = 5, .seed = 7, .session = 2});
    CHECK(count_tokens(session.context) > tokens - 50);  // a pair has fewer tokens
    REQUIRE(session.context.starts_with("JSON data:\n"));
    JsonText parser;
    const Expected<JsonValue> json = parser.parse(session.context.substr(11));
    REQUIRE(json);
    for (const Turn& turn : session.turns) {
      const std::string key = turn.question.substr(turn.question.find('"') + 1, 36);
      CHECK(json->find(key)->string() == turn.answers.front());
    }
  }
}

TEST_CASE("kv: 2,500 pairs have the size of the published contexts", "[exec][tasks]") {
  const auto bytes = [](std::string_view text) { return static_cast<std::int64_t>(text.size()); };
  const Expected<TaskSession> session = task("kv").generate({.tokens = 200011}, {}, bytes);
  REQUIRE(session);
  CHECK(session->context.size() == 200011);
  CHECK(session->turns.front().question.size() == 93);
}

TEST_CASE("kv: a plain prompt goes on with the pair", "[exec][tasks]") {
  const TaskSession session = check_laws(task("kv"), {}, {.tokens = 600, .turns = 2});
  const PromptPlan plan = plan_prompts(session, {.style = PromptStyle::kPlain});
  const std::string pair = plan.turns[1].prompt + plan.turns[1].target + plan.turns[1].closing;
  CHECK(session.context.find(pair.substr(1)) != std::string::npos);
}

}  // namespace scsim::exec::test
