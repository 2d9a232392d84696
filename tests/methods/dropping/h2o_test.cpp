// H2O beside sums of weights that are added up query by query.
#include <algorithm>
#include <catch2/catch.hpp>
#include <map>

#include "tests/methods/dropping/layers.h"

namespace scsim::test {
namespace {

// One choosing head: what it holds, and the weights its tokens have got so far.
struct Heavy {
  std::vector<std::int32_t> tokens{};
  std::map<std::int32_t, double> scores{};
};

struct H2oOracle {
  std::int64_t budget = 0, recent = 0;
  bool means = false, each = false;

  void read(const Layers& layers, std::int64_t layer, std::int64_t fresh,
            std::vector<Heavy>& heads) const {
    const std::int64_t seen = layers.cache.tokens_seen(), group = layers.shape.group;
    for (std::size_t h = 0; h < heads.size(); ++h) {
      Heavy& head = heads[h];
      for (std::int64_t t = seen - fresh; t < seen; ++t) {
        head.tokens.push_back(static_cast<std::int32_t>(t));
      }
      const auto weights =
          causal_weights(layers.queries(layer, fresh), layers.keys(layer, head.tokens));
      for (std::int64_t q = 0; q < std::ssize(weights); ++q) {
        if (q / (each ? 1 : group) != static_cast<std::int64_t>(h)) continue;
        for (const Row& row : weights[static_cast<std::size_t>(q)]) {
          for (std::size_t i = 0; i < row.size(); ++i) head.scores[head.tokens[i]] += row[i];
        }
      }
      const auto worth = [&](std::int32_t token) {
        const double queries = static_cast<double>(seen - token);
        return means ? head.scores[token] / queries : head.scores[token];
      };
      std::vector<std::int32_t> newest, older;
      for (const std::int32_t token : head.tokens) {
        (token >= seen - recent ? newest : older).push_back(token);
      }
      std::ranges::stable_sort(older, std::ranges::greater(), worth);
      older.resize(std::min(older.size(), static_cast<std::size_t>(budget) - newest.size()));
      head.tokens = newest;
      head.tokens.insert(head.tokens.end(), older.begin(), older.end());
      std::ranges::sort(head.tokens);
    }
  }
};

}  // namespace

TEST_CASE("h2o keeps recent tokens and those of the highest scores so far", "[methods][dropping]") {
  struct Case {
    std::string text;
    H2oOracle oracle;
  };
  const std::vector<Case> cases = {{"budget=20", {20, 10}},
                                   {"budget=25,recent=0.2,group=each", {25, 5, false, true}},
                                   {"budget=18,recent=1", {18, 18}},
                                   {"budget=21,recent=0.33,score=mean", {21, 6, true}}};
  for (const Case& one : cases) {
    INFO(one.text);
    Rng rng(35, "tests.h2o");
    Layers layers("h2o:" + one.text, {}, 9);
    std::vector<std::vector<Heavy>> expected(2, std::vector<Heavy>(one.oracle.each ? 6 : 2));
    for (int step = 0; step < 40; ++step) {
      const bool prompt = step == 0 || rng.chance(0.15);
      const std::int64_t tokens = prompt ? 1 + static_cast<std::int64_t>(rng.below(40)) : 1;
      if (prompt) {
        layers.prompt(tokens, rng.chance(0.5) ? 6 : 0);
      } else {
        layers.decode();
      }
      for (std::int64_t l = 0; l < 2; ++l) {
        std::vector<Heavy>& heads = expected[static_cast<std::size_t>(l)];
        one.oracle.read(layers, l, tokens, heads);
        for (std::int64_t h = 0; h < std::ssize(heads); ++h) {
          INFO("step " << step << ", layer " << l << ", head " << h);
          const std::int64_t held_head = h * layers.cache.heads(l) / std::ssize(heads);
          std::vector<std::int32_t> held = layers.held(l, held_head);
          std::ranges::sort(held);
          CHECK((held == heads[static_cast<std::size_t>(h)].tokens));
        }
      }
      // A score and a number of each token of each choosing head.
      CHECK(layers.cache.bytes().method ==
            2 * std::ssize(expected[0]) * layers.cache.length(0, 0) * 8);
    }
  }
}

}  // namespace scsim::test
