#include <catch2/catch.hpp>

#include "tests/exec/scorers/judged.h"

namespace scsim::exec {

TEST_CASE("kv: a value is right wherever it stands, if nothing touches it", "[exec][scorers]") {
  const Texts answer = {"1b2c-3d"};
  for (const char* prediction : {"1b2c-3d", "\"1b2c-3d\"", "It is 1b2c-3d.", "值1b2c-3d，"}) {
    INFO(prediction);
    CHECK(compat("kv", prediction, answer) == 1);
    CHECK(strict("kv", prediction, answer) == 1);
  }
  CHECK(strict("kv", "1B2C-3D", answer) == 0);
  CHECK(strict("kv", "", answer) == 0);
  CHECK(strict("kv", "a1b2c-3d and then 1b2c-3d", answer) == 1);
}

TEST_CASE("kv: scbench_compat takes a part of a longer value for the value", "[exec][scorers]") {
  CHECK(compat("kv", "71b2c-3d9", {"1b2c-3d"}) == 1);
  CHECK(strict("kv", "71b2c-3d9", {"1b2c-3d"}) == 0);
}

}  // namespace scsim::exec
