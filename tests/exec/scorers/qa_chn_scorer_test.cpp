#include <catch2/catch.hpp>

#include "tests/exec/scorers/judged.h"

namespace scsim::exec {

TEST_CASE("qa_chn: the best F1 of characters over the references", "[exec][scorers]") {
  CHECK(strict("qa_chn", "贾宝玉。", {"贾宝玉"}) == 1);
  CHECK(strict("qa_chn", "林黛玉", {"贾宝玉", "林黛玉"}) == 1);
  // One character of three and three is shared.
  CHECK(strict("qa_chn", "林黛玉", {"贾宝玉"}) == Approx(1.0 / 3));
  CHECK(strict("qa_chn", "不知", {"贾宝玉"}) == 0);
}

TEST_CASE("qa_chn: scbench_compat takes each character of the answer for a reference",
          "[exec][scorers]") {
  CHECK(compat("qa_chn", "贾宝玉", {"贾宝玉"}) == 0.5);  // precision 1/3, recall 1
  CHECK(compat("qa_chn", "玉", {"贾宝玉"}) == 1);
  CHECK(strict("qa_chn", "玉", {"贾宝玉"}) == 0.5);  // precision 1, recall 1/3
}

}  // namespace scsim::exec
