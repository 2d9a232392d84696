#include "tests/exec/tasks/sample.h"

namespace scsim::exec::test {

TEST_CASE("repoqa: each asked function stands whole in the context, its description does not",
          "[exec][tasks]") {
  const SampleMaterial sample;
  const TaskSession session =
      check_laws(task("repoqa"), sample.material(), {.tokens = 1500, .turns = 5});
  CHECK(session.language == "python");
  REQUIRE(session.needles.size() == 5);
  std::set<std::string> names;
  for (std::size_t i = 0; i < 5; ++i) {
    const Turn& turn = session.turns[i];
    CHECK(session.needles[i].name == turn.function_name);
    CHECK(session.needles[i].code == turn.answers.front());
    CHECK(turn.answers.front().starts_with("def " + turn.function_name + "("));
    CHECK(session.context.find("Add the number") == std::string::npos);
    names.insert(turn.function_name);
  }
  CHECK(names.size() == 5);
}

TEST_CASE("repoqa: this machine's Python library makes a session", "[exec][tasks]") {
  const Material material = Material::find();
  if (material.python.empty()) {
    std::cout << "SKIPPED: no standard library of Python" << std::endl;
    return;
  }
  // Functions differ in size; packed, they leave less than a short one empty.
  for (const std::int64_t tokens : {1024, 2000}) {
    const TaskSession session =
        check_laws(task("repoqa"), material, {.tokens = tokens, .turns = 5});
    CHECK(count_tokens(session.context) > tokens - 60);
  }
}

TEST_CASE("repoqa: without its material it says what to install", "[exec][tasks]") {
  CHECK(task("repoqa").generate({}, {}, count_tokens).error().message.find("libpython3-stdlib") !=
        std::string::npos);
}

}  // namespace scsim::exec::test
