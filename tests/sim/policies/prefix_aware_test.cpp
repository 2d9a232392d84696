#include <catch2/catch.hpp>

#include "sim/prefix_index.h"
#include "tests/sim/router_views.h"

namespace scsim::sim {
namespace {

using test::span;

TEST_CASE("prefix aware sends a prompt where its prefix went before", "[sim][prefix_aware]") {
  const auto router = test::router("prefix_aware");
  const auto views = test::idle_engines(4);
  const std::vector<Span> document = {span(1, 0, 500), span(2, 0, 20)};
  const std::size_t first = router->route(test::request_for(document), views);
  for (std::uint64_t question = 3; question < 10; ++question) {
    const std::vector<Span> other = {span(100 + question, 0, 300)};
    router->route(test::request_for(other), views);
    const std::vector<Span> prompt = {span(1, 0, 500), span(question, 0, 20)};
    CHECK(router->route(test::request_for(prompt), views) == first);
  }
}

TEST_CASE("prefix aware recognises a turn that quotes the answer of the turn before",
          "[sim][prefix_aware]") {
  const auto router = test::router("prefix_aware", {{"load_weight", 1}});
  auto views = test::idle_engines(2);
  const std::vector<Span> question = {span(1, 0, 10)};
  const std::size_t first = router->route(test::request_for(question, 0, ContentId(2)), views);
  // The answer is most of the next prompt: with it known, 5 + 900 tokens are to be computed or
  // waited for there, without it 990 + 900; elsewhere 1,005 and no queue.
  views[first].pending_tokens = 900;
  const std::vector<Span> next = {span(1, 0, 10), span(2, 0, 990), span(3, 0, 5)};
  CHECK(router->route(test::request_for(next), views) == first);
}

TEST_CASE("prefix aware leaves the engine that has the prefix when its queue costs more",
          "[sim][prefix_aware]") {
  const auto router = test::router("prefix_aware");
  auto views = test::idle_engines(2);
  const std::vector<Span> document = {span(1, 0, 500)};
  const std::size_t first = router->route(test::request_for(document), views);
  const std::vector<Span> one = {span(1, 0, 500), span(2, 0, 20)},
                          other = {span(1, 0, 500), span(3, 0, 20)};
  views[first].pending_tokens = 499;  // 20 + 499 < 520
  CHECK(router->route(test::request_for(one), views) == first);
  views[first].pending_tokens = 501;  // 20 + 501 > 520, the whole prompt elsewhere
  CHECK(router->route(test::request_for(other), views) != first);
}

// The cost that the policy's head states, with what is cached taken from the earlier decisions: the
// longest common prefix, token by token, with a prompt sent there. (Adjacent spans of one content
// are not drawn here, nor answers: tests/sim/prefix_index_test.cpp is about those.)
TEST_CASE("prefix aware takes the engine with the least cost by its own record",
          "[sim][prefix_aware]") {
  for (std::uint64_t trial = 0; trial < 40; ++trial) {
    Rng rng(trial, "test.prefix_aware");
    const double load_weight = rng.uniform(0, 3), running_tokens = rng.uniform(0, 20);
    const auto router = test::router(
        "prefix_aware", {{"load_weight", load_weight}, {"running_tokens", running_tokens}});
    const std::size_t engines = 1 + rng.below(5);
    std::vector<std::vector<std::vector<test::Token>>> sent(engines);
    for (int i = 0; i < 40; ++i) {
      std::vector<Span> prompt;
      for (std::uint64_t part = 0; part < 1 + rng.below(4); ++part)
        prompt.push_back(span(10 * part + rng.below(2), 0, test::between(rng, 1, 200)));
      const auto tokens = test::written_out(prompt);
      auto views = test::random_engines(rng, engines);
      for (EngineView& view : views) view.cache_tokens = 1'000'000;
      const std::size_t place = router->route(test::request_for(prompt), views);
      std::vector<double> cost;
      for (std::size_t e = 0; e < engines; ++e) {
        std::size_t cached = 0;
        for (const auto& earlier : sent[e])
          cached = std::max(cached, test::common_prefix(tokens, earlier));
        cost.push_back(static_cast<double>(tokens.size() - cached) +
                       load_weight *
                           static_cast<double>(views[e].pending_tokens + views[e].sent_tokens) +
                       running_tokens * static_cast<double>(views[e].running));
      }
      CAPTURE(trial, i, place);
      for (const double other : cost) REQUIRE(cost[place] <= other + 1e-9);
      sent[place].push_back(tokens);
    }
  }
}

// The same cost looked up for every engine, of equals the next in turn. Some documents are what
// most engines have, and all but a few views change between two prompts without being read again.
TEST_CASE("prefix aware looks at few engines and takes the one that looking at all would",
          "[sim][prefix_aware]") {
  for (const double load_weight : {0.0, 0.37, 1.0}) {
    Rng rng(3, "test.prefix_aware.many");
    const auto router = test::router("prefix_aware", {{"load_weight", load_weight}});
    const std::size_t engines = 300;
    const std::int64_t capacity = 4000;
    auto views = test::idle_engines(engines);
    for (std::size_t e = 0; e < engines; ++e) {
      views[e].cache_tokens = capacity;
      router->heard(e);
    }
    PrefixIndex index;
    std::vector<std::int64_t> matched;
    std::size_t last = 0;
    for (std::uint64_t i = 0; i < 6000; ++i) {
      std::vector<Span> prompt = {span(0, 0, 50)};
      const std::uint64_t document = rng.below(1 + rng.below(1 + rng.below(40)));
      prompt.push_back(span(1 + document, 0, 100 + 10 * static_cast<std::int64_t>(document)));
      if (rng.chance(0.5)) prompt.push_back(span(100 + rng.below(4), 0, test::between(rng, 1, 90)));
      const auto request = test::request_for(prompt);
      index.match(prompt, engines, matched);
      std::size_t best = 0;
      double least = 0;
      for (std::size_t step = 1; step <= engines; ++step) {
        const std::size_t place = (last + step) % engines;
        const EngineView& view = views[place];
        const double load =
            load_weight * static_cast<double>(view.pending_tokens + view.sent_tokens) +
            64 * static_cast<double>(view.running);
        const double cost = static_cast<double>(request.prompt_tokens - matched[place]) + load;
        if (step > 1 && cost >= least) continue;
        least = cost;
        best = place;
      }
      CAPTURE(load_weight, i);
      REQUIRE(router->route(request, views) == best);
      index.insert(prompt, ContentId{}, last = best, capacity);
      views[best].sent_tokens += request.prompt_tokens;
      router->heard(best);
      for (int k = 0; k < 3; ++k) {
        const std::size_t other = rng.below(engines);
        views[other] = test::random_engines(rng, 1)[0];
        views[other].cache_tokens = capacity;
        router->heard(other);
      }
    }
  }
}

}  // namespace
}  // namespace scsim::sim
