#include "tests/exec/tasks/sample.h"

namespace scsim::exec::test {
namespace {

TaskSession session_of(std::string task, std::vector<std::string> questions) {
  TaskSession session;
  session.task = std::move(task);
  session.context = "CONTEXT";
  for (std::string& question : questions) {
    Turn turn;
    turn.question = std::move(question);
    turn.answers = {"a" + std::to_string(session.turns.size())};
    session.turns.push_back(std::move(turn));
  }
  return session;
}

// Everything in one text, as a model without a chat template sees it.
std::string joined(const PromptPlan& plan) {
  std::string text = plan.context;
  for (const TurnPrompt& turn : plan.turns) text += turn.prompt + turn.target + turn.closing;
  return text;
}

}  // namespace

TEST_CASE("released without a chat template: empty lines between all parts", "[exec][tasks]") {
  CHECK(joined(plan_prompts(session_of("summary", {"Q0", "Q1"}), {.chat = false})) ==
        "CONTEXT\n\nQ0a0\n\nQ1a1");
  CHECK(joined(plan_prompts(session_of("qa_eng", {"Q0", "Q1"}), {.chat = false})) ==
        "Read the book and answer the question. Be very concise in your answer.\n\nCONTEXT\n\n"
        "Question: Q0\nAnswer:a0\n\nQuestion: Q1\nAnswer:a1");
}

TEST_CASE("released without golden answers: nothing before a later question", "[exec][tasks]") {
  const PromptPlan plan =
      plan_prompts(session_of("kv", {"Q0", "Q1"}), {.chat = false, .golden_answers = false});
  CHECK(plan.turns[0].prompt == "\n\nQ0");
  CHECK(plan.turns[1].prompt == "Q1");
}

TEST_CASE("released in multi-request mode: questions follow the context directly",
          "[exec][tasks]") {
  for (const bool chat : {false, true}) {
    const PromptPlan plan = plan_prompts(session_of("kv", {"Q0", "Q1"}),
                                         {.mode = SessionMode::kMultiRequest, .chat = chat});
    CHECK(plan.context ==
          "Extract the value corresponding to the specified key in the JSON object "
          "below.\n\nCONTEXT");
    CHECK(plan.turns[0].prompt == "Q0");
    CHECK(plan.turns[1].prompt == "Q1");
  }
}

TEST_CASE("released mf: hints, and with a chat template the last turn's for all", "[exec][tasks]") {
  const TaskSession session =
      session_of("mf", {"Only one. The largest number of the list is",
                        "Only one. The second largest number of the list is",
                        "Only one. The smallest number of the list is"});
  const PromptPlan chat = plan_prompts(session, {});
  CHECK(chat.context == "What is the largest number of the list?\n\nCONTEXT");
  CHECK(chat.turns[0].prompt == "\n\nOnly one. The largest number of the list is");
  CHECK(chat.turns[1].prompt ==
        "What is the smallest number of the list?\n\n"
        "Only one. The second largest number of the list is");
  const PromptPlan raw = plan_prompts(session, {.chat = false});
  CHECK(raw.turns[1].prompt ==
        "\n\nWhat is the second largest number of the list?\n\n"
        "Only one. The second largest number of the list is");
  const PromptPlan requests = plan_prompts(session, {.mode = SessionMode::kMultiRequest});
  CHECK(requests.context == "Only one. The largest number of the list is\n\nCONTEXT");
  CHECK(requests.turns[1].prompt ==
        "What is the second largest number of the list?\n\n"
        "Only one. The second largest number of the list is");
}

TEST_CASE("released vt: the golden answer is a list as Python prints it", "[exec][tasks]") {
  TaskSession session = session_of("vt", {"Q0"});
  session.turns[0].answers = {"ABCDE", "FGHIJ"};
  CHECK(plan_prompts(session, {}).turns[0].target == "['ABCDE', 'FGHIJ']");
  CHECK(plan_prompts(session, {.style = PromptStyle::kPlain}).turns[0].target == " ABCDE FGHIJ");
}

TEST_CASE("preprocessed sessions are prompts already", "[exec][tasks]") {
  TaskSession session = session_of("qa_eng", {"Q0", "Q1"});
  session.is_prompt = true;
  const PromptPlan plan = plan_prompts(session, {});
  CHECK(plan.context == "CONTEXT");
  CHECK(plan.turns[0].prompt == "\n\nQ0");
  CHECK(plan.turns[1].prompt == "Q1");
}

TEST_CASE("every task takes questions that are worded otherwise, in both styles", "[exec][tasks]") {
  for (const TaskEntry& entry : task_table()) {
    TaskSession session = session_of(entry.name, {"Q", "\"", "The", "\"a\" \"b\""});
    for (Turn& turn : session.turns) {
      if (!entry.sub_tasks.empty()) turn.sub_task = entry.sub_tasks.back().first;
      turn.options = {"a0", "b", "c", "d"};
    }
    for (const PromptStyle style : {PromptStyle::kReleased, PromptStyle::kPlain}) {
      const PromptPlan plan = plan_prompts(session, {.style = style});
      REQUIRE(plan.turns.size() == 4);
      for (const TurnPrompt& turn : plan.turns) CHECK_FALSE(turn.target.empty());
    }
  }
}

TEST_CASE("styles have names", "[exec][tasks]") {
  CHECK(prompt_style_names().size() == 3);
  for (const PromptStyle style :
       {PromptStyle::kReleased, PromptStyle::kPlain, PromptStyle::kSymbols}) {
    CHECK(*parse_prompt_style(prompt_style_name(style)) == style);
  }
  CHECK_FALSE(parse_prompt_style("fancy"));
}

}  // namespace scsim::exec::test
