#include <map>

#include "tests/exec/tasks/sample.h"
#include "traces/text.h"

namespace scsim::exec::test {

TEST_CASE("qa_eng: a person is where the text last says", "[exec][tasks]") {
  const std::optional<Material> material = data_material();
  if (!material) return;
  for (const std::int64_t tokens : {700, 4000}) {
    const TaskSession session =
        check_laws(task("qa_eng"), *material, {.tokens = tokens, .turns = 5});
    CHECK(session.context.find('|') == std::string::npos);  // as in bAbI's questions
    for (const Turn& turn : session.turns) {
      CHECK(turn.evidence.front().starts_with(turn.opening.substr(0, turn.opening.find(' '))));
      CHECK(turn.evidence.front().ends_with(" the " + turn.answers.front() + "."));
      const std::string name = turn.question.substr(9, turn.question.size() - 10);
      std::string place;
      for (const std::string& line : split(session.context, '\n')) {
        // A fact begins with the name and ends with a place and a full stop.
        if (!line.starts_with(name + " ") || line.size() > 60) continue;
        place = line.substr(line.rfind(' ') + 1);
        place.pop_back();
      }
      CHECK(place == turn.answers.front());
    }
  }
}

TEST_CASE("qa_eng: without its material it says what to get", "[exec][tasks]") {
  const Expected<TaskSession> none = task("qa_eng").generate({}, {}, count_tokens);
  REQUIRE_FALSE(none);
  CHECK(none.error().message.find("SCSIM_DATA") != std::string::npos);
}

}  // namespace scsim::exec::test
