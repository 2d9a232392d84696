#include <catch2/catch.hpp>

#include "tests/exec/scorers/judged.h"

namespace scsim::exec {

TEST_CASE("prefix_suffix: the string itself is right, with its punctuation", "[exec][scorers]") {
  const Texts answer = {"aB\\c[d^e"};
  CHECK(strict("prefix_suffix", "The string is \"aB\\c[d^e\".", answer) == 1);
  CHECK(strict("prefix_suffix", "aB\\c[d", answer) == 0);
  CHECK(compat("prefix_suffix", "aB\\c[d", answer) == 0);
}

TEST_CASE("prefix_suffix: scbench_compat takes a longer string for the right one",
          "[exec][scorers]") {
  CHECK(compat("prefix_suffix", "xaB\\c[d^ex", {"aB\\c[d^e"}) == 1);
  CHECK(strict("prefix_suffix", "xaB\\c[d^ex", {"aB\\c[d^e"}) == 0);
}

}  // namespace scsim::exec
