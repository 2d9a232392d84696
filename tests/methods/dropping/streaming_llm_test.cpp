// StreamingLLM beside a list of tokens that is cut where it gets too long.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>

#include "tests/methods/dropping/layers.h"

namespace scsim::test {
namespace {

// What a head holds: the sinks, and of what follows the last ones.
struct Streamed {
  std::size_t sinks, window;
  std::vector<std::int32_t> tokens{};
  std::int32_t seen = 0, evicted = 0;

  void read(std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i) tokens.push_back(seen++);
    while (tokens.size() > sinks + window) {
      tokens.erase(tokens.begin() + static_cast<std::ptrdiff_t>(sinks));
      ++evicted;
    }
  }
};

// Attention of the last query over these tokens, [query_heads][head_dim].
std::vector<Row> attention(const Layers& layers, std::int64_t layer,
                           const std::vector<std::int32_t>& tokens, const Rows& keys) {
  const auto weights = causal_weights(layers.queries(layer, 1), keys);
  const at::Tensor& v = layers.v[static_cast<std::size_t>(layer)];
  std::vector<Row> out;
  for (std::size_t h = 0; h < weights.size(); ++h) {
    Row sum(static_cast<std::size_t>(layers.shape.head_dim), 0.0);
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      const at::Tensor value =
          v[tokens[i]][static_cast<std::int64_t>(h) / layers.shape.group].contiguous();
      for (std::size_t d = 0; d < sum.size(); ++d) {
        sum[d] += weights[h][0][i] * static_cast<double>(value.const_data_ptr<float>()[d]);
      }
    }
    out.push_back(sum);
  }
  return out;
}

double apart(const at::Tensor& found, const std::vector<Row>& expected) {
  double apart = 0;
  for (std::size_t h = 0; h < expected.size(); ++h) {
    for (std::size_t d = 0; d < expected[h].size(); ++d) {
      apart = std::max(
          apart,
          std::abs(
              found[0][static_cast<std::int64_t>(h)][static_cast<std::int64_t>(d)].item<double>() -
              expected[h][d]));
    }
  }
  return apart;
}

std::vector<std::int32_t> sorted(std::vector<std::int32_t> tokens) {
  std::ranges::sort(tokens);
  return tokens;
}

std::string streaming(std::size_t sinks, std::size_t window, const std::string& rest = "") {
  return "streaming_llm:sinks=" + std::to_string(sinks) + ",window=" + std::to_string(window) +
         rest;
}

}  // namespace

TEST_CASE("streaming_llm holds the sinks and the last tokens, whatever comes in which order",
          "[methods][dropping]") {
  const std::vector<std::pair<std::size_t, std::size_t>> shapes = {
      {4, 20}, {0, 13}, {9, 1}, {3, 40}};
  for (const auto& [sinks, window] : shapes) {
    for (std::uint64_t draw = 0; draw < 4; ++draw) {
      INFO(sinks << " sinks, window of " << window << ", draw " << draw);
      Rng rng(32, "tests.streaming", draw);
      Layers layers(streaming(sinks, window), {}, draw);
      Streamed expected{sinks, window};
      for (int step = 0; step < 60; ++step) {
        const bool prompt = step == 0 || rng.chance(0.15);
        const std::int64_t tokens =
            prompt ? 1 + static_cast<std::int64_t>(rng.below(rng.chance(0.3) ? 60 : 8)) : 1;
        std::vector<at::Tensor> out;
        if (prompt) {
          layers.prompt(tokens, rng.chance(0.5) ? 3 : 0);
        } else {
          out = layers.decode();
        }
        expected.read(tokens);
        for (std::int64_t l = 0; l < 2; ++l) {
          const std::vector<std::int32_t> held = layers.held(l, 1);
          CHECK((sorted(held) == expected.tokens));
          if (prompt) CHECK((held == expected.tokens));  // in order again
          if (prompt || step % 7 != 0) continue;
          CHECK(apart(out[static_cast<std::size_t>(l)],
                      attention(layers, l, expected.tokens, layers.keys(l, expected.tokens))) <
                1e-4);
        }
      }
    }
  }
}

TEST_CASE("streaming_llm as released evicts once and appends in full", "[methods][dropping]") {
  Layers layers(streaming(4, 20, ",evict=once"), {}, 1);
  layers.prompt(100);
  std::vector<std::int32_t> expected = layers.held(1, 0);
  CHECK((expected == std::vector<std::int32_t>{0,  1,  2,  3,  80, 81, 82, 83, 84, 85, 86, 87,
                                               88, 89, 90, 91, 92, 93, 94, 95, 96, 97, 98, 99}));
  layers.decode();
  layers.prompt(30);
  for (std::int32_t t = 100; t < 131; ++t) expected.push_back(t);
  CHECK((layers.held(1, 0) == expected));
}

TEST_CASE("a stream never takes more memory than its window, and forks go their own way",
          "[methods][dropping]") {
  Layers first(streaming(4, 28), {}, 2);
  const auto contract = methods::make_contract(first.choice);
  first.prompt(90);
  const double kept = 2 * contract->kept_bytes(first.layer(0), Tokens{90}).value();
  CHECK(first.held_bytes() == kept);
  Layers second = first.fork();
  const std::vector<std::int32_t> before = first.held(0, 0);
  for (int i = 0; i < 70; ++i) second.decode();
  CHECK((first.held(0, 0) == before));
  CHECK(second.held(0, 0).size() == 32);
  // Beside keys and values it remembers how many tokens were replaced.
  CHECK(second.held_bytes() == kept + 8);
  CHECK(first.held_bytes() == kept);
  second.prompt(1);
  CHECK(second.held_bytes() == kept);
  Streamed expected{4, 28};
  expected.read(161);
  CHECK((second.held(1, 1) == expected.tokens));
}

TEST_CASE("positions in the cache: sinks stand as far off as the cache is long",
          "[methods][dropping]") {
  Layers layers(streaming(4, 20, ",positions=cache"), {}, 3);
  Streamed expected{4, 20};
  const auto check = [&] {
    for (std::int64_t l = 0; l < 2; ++l) {
      // A key that was turned for position p, of `evicted` fewer behind it: p + evicted.
      const auto [keys, values] = layers.cache.rows(l, 1, 0, 4);
      const at::Tensor original =
          layers.k[static_cast<std::size_t>(l)].slice(0, 0, 4).select(1, 1).unsqueeze(1);
      const at::Tensor turned = turned_keys(original, expected.evicted).squeeze(1);
      CHECK((keys - turned).abs().max().item<double>() < 1e-4);
    }
  };
  layers.prompt(60);
  expected.read(60);
  check();
  for (int i = 0; i < 45; ++i) {
    const std::vector<at::Tensor> out = layers.decode();
    expected.read(1);
    check();
    if (i % 9 != 0) continue;
    Rows keys = layers.keys(0, expected.tokens);
    const at::Tensor turned =
        turned_keys(layers.k[0].slice(0, 0, 4), expected.evicted).to(at::kDouble);
    for (std::int64_t t = 0; t < 4; ++t) {
      for (std::int64_t h = 0; h < 2; ++h) {
        for (std::int64_t d = 0; d < 16; ++d) {
          keys[static_cast<std::size_t>(t)][static_cast<std::size_t>(h)]
              [static_cast<std::size_t>(d)] = turned[t][h][d].item<double>();
        }
      }
    }
    CHECK(apart(out[0], attention(layers, 0, expected.tokens, keys)) < 1e-4);
  }
  layers.prompt(10);
  expected.read(10);
  check();
}

}  // namespace scsim::test
