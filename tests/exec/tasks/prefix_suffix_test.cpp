#include "tests/exec/tasks/sample.h"

namespace scsim::exec::test {

TEST_CASE("prefix_suffix: exactly one string of the list has both", "[exec][tasks]") {
  for (const std::int64_t tokens : {300, 4000}) {
    const TaskSession session =
        check_laws(task("prefix_suffix"), {}, {.tokens = tokens, .turns = 5, .seed = 3});
    std::vector<std::string> strings;
    for (std::size_t at = session.context.find('"'); at != std::string::npos;
         at = session.context.find('"', at + 27)) {
      strings.push_back(session.context.substr(at + 1, 25));
    }
    CHECK(strings.size() > 5);
    for (const Turn& turn : session.turns) {
      std::vector<std::string> quoted;
      for (std::size_t at = turn.question.find('"'); at != std::string::npos;) {
        const std::size_t end = turn.question.find('"', at + 1);
        quoted.push_back(turn.question.substr(at + 1, end - at - 1));
        at = turn.question.find('"', end + 1);
      }
      REQUIRE(quoted.size() == 2);
      std::vector<std::string> found;
      for (const std::string& text : strings) {
        if (text.starts_with(quoted[0]) && text.ends_with(quoted[1])) found.push_back(text);
      }
      CHECK(found == turn.answers);
    }
  }
}

}  // namespace scsim::exec::test
