#include <catch2/catch.hpp>

#include "tests/exec/scorers/judged.h"

namespace scsim::exec {
namespace {

const std::string kTask = "summary_with_needles";

}  // namespace

TEST_CASE("summary_with_needles: each sub-task by its own rule", "[exec][scorers]") {
  for (const ScoreRule rule : {ScoreRule::kScbenchCompat, ScoreRule::kStrict}) {
    CHECK(judged(rule, kTask, "71432", {"71432"}, {}, "passkey") == 1);
    CHECK(judged(rule, kTask, "The key is 71432.", {"71432"}, {}, "passkey") == 1);
    CHECK(judged(rule, kTask, "The key is 7143.", {"71432"}, {}, "passkey") == 0);
    CHECK(judged(rule, kTask, "71432", {"the key is 71432"}, {}, "summary") == Approx(0.4));
  }
}

TEST_CASE("summary_with_needles: scbench_compat takes the first digits for the passkey",
          "[exec][scorers]") {
  CHECK(compat(kTask, "The key of document 3 is 71432", {"71432"}, {}, "passkey") == 0);
  CHECK(strict(kTask, "The key of document 3 is 71432", {"71432"}, {}, "passkey") == 1);
  CHECK(compat(kTask, "x71432y", {"71432"}, {}, "passkey") == 1);
  CHECK(strict(kTask, "x71432y", {"71432"}, {}, "passkey") == 0);
}

TEST_CASE("summary_with_needles: a sub-task that is not known is named", "[exec][scorers]") {
  const auto result = score(kTask, ScoreRule::kStrict, {.task = "pass"});
  REQUIRE(!result);
  CHECK(result.error().message.starts_with("summary_with_needles: unknown sub-task \"pass\""));
}

}  // namespace scsim::exec
