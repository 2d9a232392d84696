// LLMLingua's rules on fixed tokens and a language model that is a formula: beside a plain
// reference written from the paper, and what llmlingua 0.2.2 and a numpy version of the paper's
// rule keep (tests/data/llmlingua).
#include <algorithm>
#include <catch2/catch.hpp>
#include <fstream>
#include <nlohmann/json.hpp>

#include "methods/llmlingua/rule.h"
#include "tests/exec/api/measured.h"
#include "tests/methods/rewriting/formula_reader.h"

namespace scsim::methods {
namespace {

using test::FormulaReader;
using Ids = std::vector<std::int32_t>;
using Positions = std::vector<std::int64_t>;

const nlohmann::json& committed() {
  static const nlohmann::json json = [] {
    std::ifstream file(SCSIM_SOURCE_DIR "/tests/data/llmlingua/llmlingua.json");
    return nlohmann::json::parse(file);
  }();
  return json;
}

struct Case {
  Ids tokens;
  double rate = 0;
  std::int64_t segment = 0;
};

using Rule = Expected<Positions> (*)(const LinguaTokens&, exec::Measure&);

Positions kept(Rule rule, const Case& of) {
  test::Measured measured;
  FormulaReader reader(committed()["vocabulary"]);
  const auto found = rule({.reader = reader,
                           .tokens = of.tokens,
                           .target = of.rate * static_cast<double>(of.tokens.size()),
                           .segment = of.segment},
                          measured.measure);
  REQUIRE(found.has_value());
  return *found;
}

// Token by token: a token stays if fewer than the segment's share are more surprising, or as
// surprising and earlier.
Positions plain_paper(const Case& of) {
  test::Measured measured;
  Positions kept;
  const std::int64_t all = std::ssize(of.tokens);
  for (std::int64_t begin = 0; begin < all; begin += of.segment) {
    const std::int64_t end = std::min(all, begin + of.segment);
    std::vector<float> known;
    Ids before;
    for (const std::int64_t at : kept) before.push_back(of.tokens[static_cast<std::size_t>(at)]);
    for (std::int64_t at = begin; at < end; ++at) {
      FormulaReader reader(committed()["vocabulary"]);
      before.push_back(of.tokens[static_cast<std::size_t>(at)]);
      known.push_back(reader.read(before, measured.measure)->back());
    }
    const double share = of.rate * static_cast<double>(end - begin);
    Positions stay;
    for (std::int64_t at = begin; at < end; ++at) {
      const auto i = static_cast<std::size_t>(at - begin);
      std::int64_t ahead = 0;
      for (std::size_t j = 0; j < known.size(); ++j) {
        ahead += known[j] < known[i] || (known[j] == known[i] && j < i) ? 1 : 0;
      }
      if (static_cast<double>(ahead) < share - 1e-9) stay.push_back(at);
    }
    kept.insert(kept.end(), stay.begin(), stay.end());
  }
  return kept;
}

TEST_CASE("LLMLingua's rule is the paper's, token by token", "[methods][llmlingua]") {
  for (const std::int64_t count : {1, 2, 19, 20, 21, 73}) {
    for (const double rate : {0.05, 0.4, 1.0}) {
      Case of{.tokens = {}, .rate = rate, .segment = 20};
      for (std::int64_t i = 0; i < count; ++i) {
        of.tokens.push_back(static_cast<std::int32_t>((i * i + 5 * i) % 24));
      }
      INFO(count << " tokens at rate " << rate);
      CHECK((kept(keep_as_in_paper, of) == plain_paper(of)));
    }
  }
}

TEST_CASE("LLMLingua keeps what numpy's version and llmlingua 0.2.2 keep", "[methods][llmlingua]") {
  std::size_t compressed = 0;
  for (const nlohmann::json& one : committed()["cases"]) {
    const Case of{.tokens = one["tokens"], .rate = one["rate"], .segment = one["segment"]};
    INFO(of.tokens.size() << " tokens at rate " << of.rate << ", segments of " << of.segment);
    CHECK((kept(keep_as_in_paper, of) == one["paper"].get<Positions>()));
    Ids released;
    for (const std::int64_t at : kept(keep_as_released, of)) {
      released.push_back(of.tokens[static_cast<std::size_t>(at)]);
    }
    CHECK((released == one["released"].get<Ids>()));
    compressed += released.size() < of.tokens.size() / 2 ? 1 : 0;
  }
  CHECK(compressed >= 10);
}

TEST_CASE("LLMLingua's budget keeps the documents that llmlingua 0.2.2 keeps",
          "[methods][llmlingua]") {
  for (const nlohmann::json& one : committed()["choices"]) {
    test::Measured measured;
    std::vector<double> surprises;
    std::vector<std::int64_t> tokens;
    double all = 0;
    for (const nlohmann::json& document : one["documents"]) {
      const Ids ids = document;
      FormulaReader reader(committed()["vocabulary"]);
      const auto known = reader.read(ids, measured.measure);
      double sum = 0;
      for (std::size_t i = 1; i < known->size(); ++i) sum -= (*known)[i];
      surprises.push_back(sum / static_cast<double>(known->size() - 1));
      tokens.push_back(std::ssize(ids));
      all += static_cast<double>(ids.size());
    }
    const double budget = one["rate"].get<double>() * all + 100;
    INFO("rate " << one["rate"]);
    CHECK((keep_documents(surprises, tokens, budget) ==
           one["chosen"].get<std::vector<std::size_t>>()));
  }
}

}  // namespace
}  // namespace scsim::methods
