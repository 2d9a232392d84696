// TOVA beside a list of tokens that loses the one of the lowest mean weight.
#include <algorithm>
#include <catch2/catch.hpp>

#include "tests/methods/dropping/layers.h"

namespace scsim::test {
namespace {

// Drops what the last query attends least, until `budget` tokens are left.
std::vector<std::int32_t> trimmed(const Layers& layers, std::int64_t layer,
                                  std::vector<std::int32_t> tokens, std::size_t budget) {
  const auto weights = causal_weights(layers.queries(layer, 1), layers.keys(layer, tokens));
  std::vector<std::pair<double, std::int32_t>> by_weight;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    double sum = 0;
    for (const auto& of_head : weights) sum += of_head[0][i];
    by_weight.emplace_back(sum, tokens[i]);
  }
  std::ranges::sort(by_weight, std::ranges::greater());
  if (by_weight.size() > budget) by_weight.resize(budget);
  tokens.clear();
  for (const auto& [weight, token] : by_weight) tokens.push_back(token);
  std::ranges::sort(tokens);
  return tokens;
}

}  // namespace

TEST_CASE("tova drops with every token what its query attends least", "[methods][dropping]") {
  for (std::uint64_t draw = 0; draw < 6; ++draw) {
    INFO("draw " << draw);
    Rng rng(33, "tests.tova", draw);
    const std::size_t budget = 17 + 5 * draw;
    Layers layers("tova:budget=" + std::to_string(budget), {}, draw);
    std::vector<std::vector<std::int32_t>> expected(2);
    for (int step = 0; step < 60; ++step) {
      const bool prompt = step == 0 || rng.chance(0.1);
      const std::int64_t tokens = prompt ? 1 + static_cast<std::int64_t>(rng.below(50)) : 1;
      for (std::vector<std::int32_t>& of_layer : expected) {
        for (std::int64_t t = 0; t < tokens; ++t) {
          of_layer.push_back(static_cast<std::int32_t>(layers.cache.tokens_seen() + t));
        }
      }
      if (prompt) {
        layers.prompt(tokens, rng.chance(0.5) ? 4 : 0);
      } else {
        layers.decode();
      }
      for (std::int64_t l = 0; l < 2; ++l) {
        std::vector<std::int32_t>& of_layer = expected[static_cast<std::size_t>(l)];
        of_layer = trimmed(layers, l, of_layer, budget);
        for (std::int64_t h = 0; h < 2; ++h) {
          std::vector<std::int32_t> held = layers.held(l, h);
          std::ranges::sort(held);
          CHECK((held == of_layer));
        }
      }
      CHECK(layers.memory->live_bytes() == layers.cache.bytes().total());
    }
  }
}

}  // namespace scsim::test
