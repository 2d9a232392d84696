#include <catch2/catch.hpp>

#include "tests/exec/scorers/judged.h"

namespace scsim::exec {
namespace {

const Texts kVariables = {"ABCDE", "FGHIJ", "KLMNO"};

}  // namespace

TEST_CASE("vt: all the variables and no others are right, in any order", "[exec][scorers]") {
  CHECK(strict("vt", "KLMNO, ABCDE and FGHIJ.", kVariables) == 1);
  CHECK(strict("vt", "VAR ABCDE = VAR FGHIJ; KLMNO", kVariables) == 1);  // VAR is no name
  CHECK(strict("vt", "none", kVariables) == 0);
  // Two of three, nothing wrong: precision 1, recall 2/3, so F1 is 4/5.
  CHECK(strict("vt", "ABCDE FGHIJ", kVariables) == Approx(0.8));
}

TEST_CASE("vt: scbench_compat forgives every variable too many", "[exec][scorers]") {
  const std::string all = "ABCDE FGHIJ KLMNO PQRST UVWXY ZZZZZ";
  CHECK(compat("vt", all, kVariables) == 1);
  CHECK(strict("vt", all, kVariables) == Approx(2.0 / 3));  // precision 1/2, recall 1
}

TEST_CASE("vt: scbench_compat finds variables inside words and in any case", "[exec][scorers]") {
  CHECK(compat("vt", "xabcdex", {"ABCDE"}) == 1);
  CHECK(strict("vt", "xabcdex", {"ABCDE"}) == 0);
  CHECK(strict("vt", "XABCDEX", {"ABCDE"}) == 0);
}

TEST_CASE("vt: scbench_compat rounds to two decimals", "[exec][scorers]") {
  CHECK(compat("vt", "ABCDE", kVariables) == 0.33);
  CHECK(compat("vt", "ABCDE KLMNO", kVariables) == 0.67);
}

}  // namespace scsim::exec
