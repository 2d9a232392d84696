#include <catch2/catch.hpp>

#include "tests/exec/scorers/judged.h"

namespace scsim::exec {

TEST_CASE("qa_eng: any reference's words in a row are right, whatever surrounds them",
          "[exec][scorers]") {
  const Texts answers = {"The Red-Headed League", "a league"};
  CHECK(strict("qa_eng", "It was the redheaded league!", answers) == 1);
  CHECK(strict("qa_eng", "They joined a league.", answers) == 1);
  CHECK(strict("qa_eng", "a colleague", {"league"}) == 0);
}

TEST_CASE("qa_eng: other words give the F1 of what they share", "[exec][scorers]") {
  // {sherlock, holmes} and {mr, holmes}: one shared of two and two.
  CHECK(strict("qa_eng", "Sherlock Holmes", {"Mr. Holmes"}) == Approx(0.5));
}

TEST_CASE("qa_eng: scbench_compat is right inside a longer word", "[exec][scorers]") {
  CHECK(compat("qa_eng", "He was planning it.", {"Ann"}) == 1);
  CHECK(strict("qa_eng", "He was planning it.", {"Ann"}) == 0);
}

TEST_CASE("qa_eng: scbench_compat normalises only case", "[exec][scorers]") {
  CHECK(compat("qa_eng", "the strasse", {"Straße"}) == 1);  // upper case of both
  CHECK(compat("qa_eng", "Mr Holmes", {"Mr. Holmes"}) == 0);
  CHECK(strict("qa_eng", "Mr Holmes", {"Mr. Holmes"}) == 1);
}

TEST_CASE("qa_eng: scbench_compat knows the first reference only", "[exec][scorers]") {
  CHECK(compat("qa_eng", "Watson", {"Holmes", "Watson"}) == 0);
  CHECK(strict("qa_eng", "Watson", {"Holmes", "Watson"}) == 1);
}

}  // namespace scsim::exec
