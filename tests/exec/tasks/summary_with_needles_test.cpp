#include "tests/exec/tasks/sample.h"

namespace scsim::exec::test {

TEST_CASE("summary_with_needles: the two alternate and each pass key stands in the text once",
          "[exec][tasks]") {
  const SampleMaterial sample;
  const TaskSession session =
      check_laws(task("summary_with_needles"), sample.material(), {.tokens = 1200, .turns = 8});
  for (std::size_t i = 0; i < session.turns.size(); ++i) {
    const Turn& turn = session.turns[i];
    CHECK(turn.sub_task == (i % 2 == 0 ? "summary" : "passkey"));
    CHECK(turn.max_new_tokens == (i % 2 == 0 ? 800 : 15));
    if (i % 2 == 0) continue;
    const std::string needle = turn.opening + " " + turn.answers.front() + ".";
    const std::size_t at = session.context.find(needle);
    REQUIRE(at != std::string::npos);
    CHECK(session.context.find(needle, at + 1) == std::string::npos);
  }
}

}  // namespace scsim::exec::test
