#include <catch2/catch.hpp>

#include "tests/exec/scorers/judged.h"

namespace scsim::exec {

TEST_CASE("many_shot: the letter as the answer is right, a letter of a word is not",
          "[exec][scorers]") {
  for (const char* prediction :
       {"B", "(B)", "B.", "The answer is (B)", "So the answer is B.", "b)"}) {
    INFO(prediction);
    CHECK(strict("many_shot", prediction, {"B"}) == 1);
    CHECK(strict("many_shot", prediction, {"A"}) == 0);
  }
  CHECK(strict("many_shot", "Because it is best", {"B"}) == 0);
  CHECK(strict("many_shot", "(R)", {"R"}) == 1);
}

TEST_CASE("many_shot: an option's text is right where the options are known", "[exec][scorers]") {
  CHECK(strict("many_shot", "05/01/2021", {"B"}, {"04/01/2021", "05/01/2021"}) == 1);
}

TEST_CASE("many_shot: scbench_compat finds the letter inside any word", "[exec][scorers]") {
  CHECK(compat("many_shot", "The answer is (B)", {"A"}) == 1);
  CHECK(strict("many_shot", "The answer is (B)", {"A"}) == 0);
}

}  // namespace scsim::exec
