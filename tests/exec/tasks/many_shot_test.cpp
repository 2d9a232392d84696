#include "tests/exec/tasks/sample.h"

namespace scsim::exec::test {

TEST_CASE("many_shot: the letter names an option, and no example is asked and shown",
          "[exec][tasks]") {
  const std::optional<Material> material = data_material();
  if (!material) return;
  for (std::uint64_t number = 0; number < 3; ++number) {
    const TaskSession session = check_laws(
        task("many_shot"), *material, {.tokens = 3000, .turns = 5, .seed = 1, .session = number});
    for (const Turn& turn : session.turns) {
      REQUIRE(turn.answers.front().size() == 1);
      const std::size_t option = static_cast<std::size_t>(turn.answers.front()[0] - 'A');
      CHECK(option < turn.options.size());
      CHECK(session.context.find(turn.question) == std::string::npos);
      CHECK(turn.question.find("(" + turn.answers.front() + ") " + turn.options[option]) !=
            std::string::npos);
    }
    for (const auto& there : answers_survived(session, "", "")) CHECK_FALSE(there.has_value());
  }
}

TEST_CASE("many_shot: three tasks take turns", "[exec][tasks]") {
  const std::optional<Material> material = data_material();
  if (!material) return;
  std::set<std::string> sources;
  for (std::uint64_t number = 0; number < 3; ++number) {
    const auto session = task("many_shot")
                             .generate({.tokens = 1500, .turns = 1, .seed = 1, .session = number},
                                       *material, count_tokens);
    REQUIRE(session);
    sources.insert(session->provenance.substr(session->provenance.find("bbh/")));
  }
  CHECK(sources.size() == 3);
}

}  // namespace scsim::exec::test
