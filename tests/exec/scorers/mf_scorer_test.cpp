#include <catch2/catch.hpp>

#include "tests/exec/scorers/judged.h"

namespace scsim::exec {

TEST_CASE("mf: the first number is right, in whatever sentence", "[exec][scorers]") {
  for (const char* prediction :
       {"12", "12.", "It is 12, not 13", "The 2nd largest is 12", "12.0", "012"}) {
    INFO(prediction);
    CHECK(strict("mf", prediction, {"12"}) == 1);
  }
  for (const char* prediction : {"", "twelve", "13, not 12", "112", "12th", "1,204"}) {
    INFO(prediction);
    CHECK(strict("mf", prediction, {"12"}) == 0);
  }
  CHECK(strict("mf", "-5", {"-5"}) == 1);
  CHECK(strict("mf", "10-5", {"10"}) == 1);
}

TEST_CASE("mf: scbench_compat drops sign and fraction", "[exec][scorers]") {
  CHECK(compat("mf", "-12", {"12"}) == 1);
  CHECK(strict("mf", "-12", {"12"}) == 0);
  CHECK(compat("mf", "12.7", {"12"}) == 1);
  CHECK(strict("mf", "12.7", {"12"}) == 0);
  CHECK(compat("mf", "-5", {"-5"}) == 0);
}

TEST_CASE("mf: scbench_compat finds numbers inside words", "[exec][scorers]") {
  CHECK(compat("mf", "The 2nd largest is 12", {"12"}) == 0);
  CHECK(compat("mf", "The 2nd largest is 12", {"2"}) == 1);
  CHECK(strict("mf", "The 2nd largest is 12", {"2"}) == 0);
}

}  // namespace scsim::exec
