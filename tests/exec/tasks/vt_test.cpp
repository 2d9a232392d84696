#include <map>

#include "tests/exec/tasks/sample.h"
#include "traces/text.h"

namespace scsim::exec::test {

TEST_CASE("vt: the answer is what following the assignments finds", "[exec][tasks]") {
  for (const std::int64_t tokens : {600, 3000}) {
    const TaskSession session = check_laws(task("vt"), {}, {.tokens = tokens, .turns = 5});
    CHECK(count_tokens(session.context) > tokens - 30);  // a line of noise
    // Assignments in the order of the text, each to a number or to a variable that has one.
    std::map<std::string, std::string> value;
    std::map<std::string, std::vector<std::string>> variables;
    for (const std::string& line : split(session.context, '\n')) {
      if (!line.starts_with("VAR ")) continue;
      const std::string variable = line.substr(4, 5), right = line.substr(12);
      const std::string assigned = right.starts_with("VAR ") ? value.at(right.substr(4)) : right;
      CHECK(value.emplace(variable, assigned).second);
      variables[assigned].push_back(variable);
    }
    for (const Turn& turn : session.turns) {
      const std::string before = "assigned the value ";
      const std::string asked = turn.question.substr(turn.question.find(before) + before.size(), 5);
      CHECK(variables.at(asked) == turn.answers);
      CHECK(turn.answers.size() == 3);
    }
  }
}

TEST_CASE("vt: there are two chains even where one is asked for", "[exec][tasks]") {
  const TaskSession session = check_laws(task("vt"), {}, {.tokens = 400, .turns = 1});
  CHECK(session.provenance.find("2 chains") != std::string::npos);
}

TEST_CASE("vt: a chain with a line cut away has not survived", "[exec][tasks]") {
  const TaskSession session = check_laws(task("vt"), {}, {.tokens = 600, .turns = 1});
  const std::string& line = session.turns[0].evidence[1];
  const std::size_t at = session.context.find(line);
  const std::string head = session.context.substr(0, at);
  const std::string tail = session.context.substr(at + line.size());
  CHECK(answers_survived(session, head, tail)[0] == false);
}

}  // namespace scsim::exec::test
