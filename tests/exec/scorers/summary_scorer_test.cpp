#include <catch2/catch.hpp>

#include "tests/exec/scorers/judged.h"

namespace scsim::exec {

TEST_CASE("summary: both rules are the F1 of ROUGE-Lsum", "[exec][scorers]") {
  // "the cat sat" of 4 and 3 tokens is shared: precision 1, recall 3/4.
  for (const ScoreRule rule : {ScoreRule::kScbenchCompat, ScoreRule::kStrict}) {
    CHECK(judged(rule, "summary", "The cat sat", {"the cat sat down"}) == Approx(6.0 / 7));
    CHECK(judged(rule, "summary", "", {"the cat sat down"}) == 0);
  }
}

}  // namespace scsim::exec
