#include "sim/prefix_index.h"

#include <catch2/catch.hpp>

#include "tests/sim/written_out.h"

namespace scsim::sim {
namespace {

using test::between;
using test::span;
using test::Token;

constexpr std::int64_t kPlenty = 1'000'000;
constexpr std::int64_t kAnswer = 1000;  // longer than what is ever quoted of one

// Every prompt written out, one list for each engine; an answer is as long as anybody may ask.
class WrittenIndex {
 public:
  explicit WrittenIndex(std::size_t engines) : sent_(engines) {}
  std::vector<std::int64_t> match(const std::vector<Span>& prompt) const {
    std::vector<std::int64_t> matched;
    for (const auto& prompts : sent_) {
      std::size_t longest = 0;
      for (const auto& earlier : prompts)
        longest = std::max(longest, test::common_prefix(test::written_out(prompt), earlier));
      matched.push_back(static_cast<std::int64_t>(longest));
    }
    return matched;
  }
  void insert(std::vector<Span> prompt, ContentId answer, std::size_t engine) {
    if (answer.valid()) prompt.push_back({answer, Tokens(0), Tokens(kAnswer)});
    sent_[engine].push_back(test::written_out(prompt));
  }

 private:
  std::vector<std::vector<std::vector<Token>>> sent_;
};

// Contents 0..3; answers are contents of their own, 100 + the number of the prompt.
std::vector<Span> random_prompt(Rng& rng, const std::vector<std::vector<Span>>& earlier) {
  std::vector<Span> prompt;
  if (!earlier.empty() && rng.chance(0.5)) {
    const std::uint64_t before = rng.below(earlier.size());
    prompt = earlier[before];
    if (rng.chance(0.5)) {
      prompt.push_back(span(100 + before, 0, between(rng, 1, 30)));
    } else {
      prompt.resize(1 + rng.below(prompt.size()));
      prompt.back().count = Tokens(between(rng, 1, prompt.back().count.value()));
    }
  }
  if (prompt.empty() || rng.chance(0.7)) {
    for (const Span& more : test::random_spans(rng, 4, 12)) prompt.push_back(more);
  }
  return prompt;
}

TEST_CASE("the index matches what writing every prompt out matches, while nothing is forgotten",
          "[sim][prefix_index]") {
  for (std::uint64_t trial = 0; trial < 200; ++trial) {
    Rng rng(trial, "test.prefix_index");
    const std::size_t engines = 1 + rng.below(4);
    PrefixIndex index;
    WrittenIndex oracle(engines);
    std::vector<std::vector<Span>> earlier;
    std::vector<std::int64_t> matched;
    for (std::uint64_t i = 0; i < 30; ++i) {
      const std::vector<Span> prompt = random_prompt(rng, earlier);
      index.match(prompt, engines, matched);
      CAPTURE(trial, i);
      REQUIRE(matched == oracle.match(prompt));
      const std::size_t engine = rng.below(engines);
      const ContentId answer = rng.chance(0.7) ? ContentId(100 + i) : ContentId{};
      index.insert(prompt, answer, engine, kPlenty);
      oracle.insert(prompt, answer, engine);
      earlier.push_back(prompt);
    }
  }
}

TEST_CASE("what the index matches after forgetting, it would have matched without forgetting",
          "[sim][prefix_index]") {
  for (std::uint64_t trial = 0; trial < 100; ++trial) {
    Rng rng(trial, "test.prefix_index.capacity");
    const std::size_t engines = 1 + rng.below(3);
    const std::int64_t capacity = between(rng, 1, 60);
    PrefixIndex index;
    WrittenIndex oracle(engines);
    std::vector<std::vector<Span>> earlier;
    std::vector<std::int64_t> matched;
    for (std::uint64_t i = 0; i < 40; ++i) {
      const std::vector<Span> prompt = random_prompt(rng, earlier);
      index.match(prompt, engines, matched);
      const std::vector<std::int64_t> most = oracle.match(prompt);
      CAPTURE(trial, i);
      for (std::size_t e = 0; e < engines; ++e) {
        REQUIRE(matched[e] <= most[e]);
        REQUIRE(matched[e] >= 0);
      }
      const std::size_t engine = rng.below(engines);
      const ContentId answer = rng.chance(0.7) ? ContentId(100 + i) : ContentId{};
      index.insert(prompt, answer, engine, capacity);
      oracle.insert(prompt, answer, engine);
      earlier.push_back(prompt);
    }
  }
}

TEST_CASE("the index forgets what was sent longest ago, and the ends of prompts before their heads",
          "[sim][prefix_index]") {
  PrefixIndex index;
  std::vector<std::int64_t> matched;
  const auto tokens = [&](const std::vector<Span>& prompt) {
    index.match(prompt, 1, matched);
    return matched[0];
  };
  const std::vector<Span> a = {span(1, 0, 40), span(2, 0, 10)}, b = {span(3, 0, 30)},
                          c = {span(4, 0, 25)};
  index.insert(a, ContentId{}, 0, 100);
  index.insert(b, ContentId{}, 0, 100);
  CHECK(tokens(a) == 50);
  index.insert(c, ContentId{}, 0, 100);  // 105 tokens: the end of the oldest prompt goes
  CHECK(tokens(a) == 40);
  CHECK(tokens(b) == 30);
  index.insert(a, ContentId{}, 0, 100);  // used again, so now b is the oldest
  CHECK(tokens(a) == 50);
  CHECK(tokens(b) == 0);
  CHECK(tokens(c) == 25);
}

TEST_CASE("engines are remembered apart", "[sim][prefix_index]") {
  PrefixIndex index;
  std::vector<std::int64_t> matched;
  const std::vector<Span> a = {span(1, 0, 40), span(2, 0, 10)}, b = {span(1, 0, 30)};
  index.insert(a, ContentId{}, 0, kPlenty);
  index.insert(b, ContentId{}, 2, kPlenty);
  index.match(a, 3, matched);
  CHECK(matched == std::vector<std::int64_t>{50, 0, 30});
}

}  // namespace
}  // namespace scsim::sim
