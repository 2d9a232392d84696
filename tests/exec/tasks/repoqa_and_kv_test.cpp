#include "tests/exec/tasks/sample.h"

namespace scsim::exec::test {

TEST_CASE("repoqa_and_kv: functions and pairs alternate, pairs between functions",
          "[exec][tasks]") {
  const SampleMaterial sample;
  const TaskSession session =
      check_laws(task("repoqa_and_kv"), sample.material(), {.tokens = 2500, .turns = 8});
  CHECK(session.needles.size() == 4);
  for (std::size_t i = 0; i < 8; ++i) {
    const Turn& turn = session.turns[i];
    CHECK(turn.sub_task == (i % 2 == 0 ? "repoqa" : "kv"));
    CHECK(turn.max_new_tokens == (i % 2 == 0 ? 1024 : 80));
    if (i % 2 == 0) continue;
    const std::string key = turn.question.substr(turn.question.find('"') + 1, 36);
    CHECK(session.context.find("\n\"" + key + "\": \"" + turn.answers.front() + "\"\n") !=
          std::string::npos);
  }
}

}  // namespace scsim::exec::test
