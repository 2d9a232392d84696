#include "exec/scorers/rouge.h"

#include <catch2/catch.hpp>

#include "tests/exec/scorers/recorded.h"
#include "traces/rng.h"

namespace scsim::exec {

TEST_CASE("ROUGE-Lsum is that of rouge_score, to the last bit", "[exec][scorers]") {
  const auto rows = recorded("rouge");
  REQUIRE(rows.size() > 100);
  for (const auto& row : rows) {
    INFO(row.dump());
    CHECK(rouge_lsum_f1(row["reference"].get<std::string>(),
                        row["prediction"].get<std::string>()) == row["f1"].get<double>());
  }
}

TEST_CASE("ROUGE-Lsum of one line each is the F1 of their longest common subsequence",
          "[exec][scorers]") {
  // Every token occurs once in each text, so that no count can limit the hits.
  for (std::uint64_t n = 0; n < 200; ++n) {
    Rng rng(1, "tests.rouge", n);
    const auto shuffled = [&] {
      std::string letters = "abcdefg";
      for (std::size_t i = letters.size(); i > 1; --i)
        std::swap(letters[i - 1], letters[rng.below(i)]);
      return letters.substr(0, 1 + rng.below(7));
    };
    const std::string reference = shuffled(), prediction = shuffled();
    std::size_t longest = 0;  // over all subsets of the reference
    for (unsigned subset = 0; subset < (1u << reference.size()); ++subset) {
      std::size_t at = 0, length = 0;
      for (std::size_t i = 0; i < reference.size(); ++i) {
        if ((subset >> i & 1u) == 0) continue;
        at = prediction.find(reference[i], at);
        if (at == std::string::npos) break;
        ++at;
        ++length;
      }
      longest = std::max(longest, at == std::string::npos ? 0 : length);
    }
    std::string spaced_reference, spaced_prediction;
    for (const char c : reference) spaced_reference += {c, ' '};
    for (const char c : prediction) spaced_prediction += {c, ' '};
    const double f1 = 2.0 * static_cast<double>(longest) /
                      static_cast<double>(reference.size() + prediction.size());
    CHECK(rouge_lsum_f1(spaced_reference, spaced_prediction) == Approx(f1));
  }
}

TEST_CASE("ROUGE's tokens are runs of lower-case letters and digits", "[exec][scorers]") {
  CHECK(rouge_tokens("The dog's 3.5km, na\xC3\xAFve\xE2\x84\xAA\xC4\xB0x") ==
        std::vector<std::string>{"the", "dog", "s", "3", "5km", "na", "veki", "x"});
}

}  // namespace scsim::exec
