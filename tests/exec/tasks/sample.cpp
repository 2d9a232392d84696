#include "tests/exec/tasks/sample.h"

#include <algorithm>
#include <fstream>

namespace scsim::exec::test {

void SampleMaterial::write(const std::string& name, const std::string& content) {
  const std::filesystem::path path = folder_.file(name);
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << content;
}

TaskSession check_laws(const TaskEntry& task, const Material& material,
                       const GenerateRequest& request) {
  const Expected<TaskSession> made = task.generate(request, material, count_tokens);
  if (!made) FAIL(made.error().message);
  const TaskSession& session = *made;
  INFO(task.name << ", " << session.id << ", " << request.tokens << " tokens");
  CHECK(session.task == task.name);
  CHECK(session.provenance.starts_with("generated: "));
  CHECK(session.turns.size() == static_cast<std::size_t>(request.turns));
  CHECK(count_tokens(session.context) <= request.tokens);
  CHECK_FALSE(session.is_prompt);

  const bool mixed = !task.sub_tasks.empty();
  for (const Turn& turn : session.turns) {
    CHECK_FALSE(turn.question.empty());
    REQUIRE_FALSE(turn.answers.empty());
    for (const std::string& answer : turn.answers) CHECK_FALSE(answer.empty());
    CHECK(turn.sub_task.empty() == !mixed);
    CHECK(turn.max_new_tokens == task.limit_of(turn.sub_task));
    for (const std::string& text : turn.evidence) {
      CHECK(session.context.find(text) != std::string::npos);
    }
    if (task.answers_in_context && turn.sub_task != "summary") {
      for (const std::string& answer : turn.answers) {
        CHECK(session.context.find(answer) != std::string::npos);
      }
    }
  }

  // The same bytes twice, and others for another session and another seed.
  const Expected<TaskSession> again = task.generate(request, material, count_tokens);
  REQUIRE(again);
  CHECK(again->context == session.context);
  for (std::size_t i = 0; i < session.turns.size(); ++i) {
    CHECK(again->turns[i].question == session.turns[i].question);
    CHECK(again->turns[i].answers == session.turns[i].answers);
  }
  GenerateRequest other = request;
  other.session += 1;
  const Expected<TaskSession> next = task.generate(other, material, count_tokens);
  REQUIRE(next);
  CHECK(next->context != session.context);
  other = request;
  other.seed += 1;
  const Expected<TaskSession> seeded = task.generate(other, material, count_tokens);
  REQUIRE(seeded);
  CHECK(seeded->context != session.context);

  // All that is asked for is in the whole context and nothing is in an empty one.
  for (const std::optional<bool>& there : answers_survived(session, session.context, "")) {
    if (there) CHECK(*there);
  }
  for (const std::optional<bool>& there : answers_survived(session, "", "")) {
    if (there) CHECK_FALSE(*there);
  }

  // Plain: an answer that goes on as the record does ends before the first stop.
  const PromptPlan plain = plan_prompts(session, {.style = PromptStyle::kPlain});
  REQUIRE(plain.turns.size() == session.turns.size());
  CHECK(plain.context == session.context);
  CHECK_FALSE(plain.chat);
  for (const TurnPrompt& turn : plain.turns) {
    CHECK_FALSE(turn.prompt.empty());
    REQUIRE_FALSE(turn.stops.empty());
    for (const std::string& stop : turn.stops) {
      CHECK(turn.target.find(stop) == std::string::npos);
    }
    CHECK(std::ranges::any_of(turn.stops, [&](const std::string& stop) {
      return turn.closing.find(stop) != std::string::npos;
    }));
  }

  // Released: what is shared does not depend on the question in multi-request mode.
  const PromptPlan released =
      plan_prompts(session, {.style = PromptStyle::kReleased, .mode = SessionMode::kMultiRequest});
  CHECK(released.context.ends_with(session.context));
  CHECK(released.chat);
  for (const TurnPrompt& turn : released.turns) CHECK(turn.lead.empty());
  return session;
}

}  // namespace scsim::exec::test
