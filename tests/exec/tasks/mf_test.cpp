#include <algorithm>

#include "tests/exec/tasks/sample.h"
#include "traces/text.h"

namespace scsim::exec::test {

TEST_CASE("mf: answers are what sorting the different numbers gives", "[exec][tasks]") {
  for (const std::uint64_t seed : {1, 2, 3, 4}) {
    const TaskSession session =
        check_laws(task("mf"), {}, {.tokens = 1000, .turns = 6, .seed = seed});
    std::vector<std::int64_t> numbers;
    for (const std::string& text :
         split(session.context.substr(1, session.context.size() - 2), ',')) {
      numbers.push_back(*parse_integer(trim(text)));
      CHECK(numbers.back() >= 0);
      CHECK(numbers.back() <= 999);
    }
    std::sort(numbers.begin(), numbers.end());
    numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
    const std::size_t n = numbers.size();
    const std::int64_t expected[] = {numbers[n - 1], numbers[n - 2], numbers[n - 3],
                                     numbers[0],     numbers[1],     numbers[2]};
    for (int i = 0; i < 6; ++i) {
      CHECK(session.turns[static_cast<std::size_t>(i)].answers.front() ==
            std::to_string(expected[i]));
    }
  }
}

TEST_CASE("mf: the questions are InfiniteBench's, to the byte", "[exec][tasks]") {
  const TaskSession session = check_laws(task("mf"), {}, {.tokens = 500, .turns = 6});
  const std::vector<std::string> words = {"largest",  "second largest",  "third largest",
                                          "smallest", "second smallest", "third smallest"};
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < 6; ++i) {
    CHECK(session.turns[i].question ==
          "You should answer with only one number, no other words. The " + words[i] +
              " number of the list is");
    bytes += session.turns[i].question.size();
  }
  // A published row has 240,651 bytes: 30,000 numbers, 6 answers and an id of 8, and 8 offsets
  // of 4.
  CHECK(30000 * 8 + bytes + 6 * 8 + 8 + 8 * 4 == 240651);
}

TEST_CASE("mf: turns beyond the six ask for other ranks, as far as there are words",
          "[exec][tasks]") {
  const TaskSession session = check_laws(task("mf"), {}, {.tokens = 2000, .turns = 20});
  std::set<std::string> questions;
  for (const Turn& turn : session.turns) questions.insert(turn.question);
  CHECK(questions.size() == 20);
  CHECK_FALSE(task("mf").generate({.tokens = 2000, .turns = 21}, {}, count_tokens));
}

TEST_CASE("mf: a number within another has not survived", "[exec][tasks]") {
  TaskSession session;
  session.task = "mf";
  session.context = "[312, 12, 5]";
  Turn turn;
  turn.answers = {"12"};
  session.turns = {turn};
  CHECK(answers_survived(session, "[312, ", "5]")[0] == false);
  CHECK(answers_survived(session, "[312, 12", "")[0] == true);
}

}  // namespace scsim::exec::test
