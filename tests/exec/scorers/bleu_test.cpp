#include "exec/scorers/bleu.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "exec/scorers/unicode_text.h"
#include "tests/exec/scorers/recorded.h"

namespace scsim::exec {

TEST_CASE("BLEU is that of nltk with smoothing method 4", "[exec][scorers]") {
  const auto rows = recorded("bleu");
  REQUIRE(rows.size() > 100);
  for (const auto& row : rows) {
    INFO(row.dump());
    const auto reference = split_words(row["reference"].get<std::string>());
    const auto candidate = split_words(row["candidate"].get<std::string>());
    CHECK(std::abs(sentence_bleu(reference, candidate) - row["bleu"].get<double>()) < 1e-12);
  }
}

TEST_CASE("BLEU of a text with itself is 1 from four words on, and less for two",
          "[exec][scorers]") {
  const std::vector<std::string> four = {"a", "b", "c", "d"}, two = {"a", "b"};
  CHECK(sentence_bleu(four, four) == 1);
  CHECK(sentence_bleu(two, two) < 0.8);
  CHECK(sentence_bleu(four, two) < sentence_bleu(two, two));  // shorter than the reference
  CHECK(sentence_bleu(two, std::vector<std::string>{"x", "y"}) == 0);
}

}  // namespace scsim::exec
