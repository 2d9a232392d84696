#include <catch2/catch.hpp>

#include "sim/simulation.h"
#include "tests/sim/router_views.h"
#include "traces/proto/cluster.pb.h"
#include "traces/yaml_message.h"

namespace scsim::sim {
namespace {

using test::request_for;
using test::span;

// A millisecond a prompt token unless told otherwise.
constexpr EngineFacts kPlain = {.token = 1e-3};

std::unique_ptr<Router> router_over(const std::vector<EngineFacts>& facts) {
  auto router = test::router("least_cost");
  router->meet(facts);
  return router;
}

// Every engine reaches one store, whose tokens take so many seconds each.
std::unique_ptr<Router> router_with_store(std::size_t engines, double seconds_per_token,
                                          double latency = 0) {
  EngineFacts facts = kPlain;
  facts.tiers = {{.seconds_per_token = seconds_per_token, .latency = latency, .tokens = 1'000'000}};
  return router_over(std::vector<EngineFacts>(engines, facts));
}

const std::vector<Span> kDocument = {span(1, 0, 1000)};
const std::vector<Span> kQuestion = {span(1, 0, 1000), span(2, 0, 10)};

// Where the document goes; it has been answered when this returns.
std::size_t send_document(Router& router, std::span<const EngineView> idle) {
  const std::size_t place = router.route(request_for(kDocument), idle);
  const std::vector<Span> other = {span(1000, 0, 1)};
  router.route(request_for(other), idle);  // hears that nothing waits
  return place;
}

TEST_CASE("least cost sends a cold prompt to the quicker engine until the queue there costs more",
          "[sim][least_cost]") {
  const auto router = router_over({{.token = 3e-3}, {.token = 1e-3}});
  auto views = test::idle_engines(2);
  for (std::uint64_t i = 0; i < 5; ++i) {
    const std::vector<Span> cold = {span(100 + i, 0, 1000)};
    views[1].pending_tokens = 0;
    CHECK(router->route(request_for(cold), views) == 1);
  }
  const std::vector<Span> cold = {span(200, 0, 1000)}, other = {span(201, 0, 1000)};
  views[1].pending_tokens = 1999;  // 1 s + 2 s there, 3 s on the idle slow one
  CHECK(router->route(request_for(cold), views) == 1);
  views[1].pending_tokens = 2001 + 1000;
  CHECK(router->route(request_for(other), views) == 0);
}

TEST_CASE("least cost leaves the engine that has the prefix when the queue before it costs more",
          "[sim][least_cost]") {
  for (const bool busy : {false, true}) {
    const auto router = router_over({kPlain, kPlain});
    auto views = test::idle_engines(2);
    const std::size_t first = send_document(*router, views);
    views[first].pending_tokens = busy ? 1001 : 999;  // with 10 of the question, against 1,010
    CHECK((router->route(request_for(kQuestion), views) == first) == !busy);
  }
}

TEST_CASE("prompts that wait with what they need cached do not count as a queue",
          "[sim][least_cost]") {
  const auto router = router_over({kPlain, kPlain});
  auto views = test::idle_engines(2);
  const std::size_t first = send_document(*router, views);
  // Twenty questions of 10 tokens behind the document: 20,200 tokens of prompts wait, of which 200
  // have to be computed. A queue of as many tokens that nobody knows would send the next elsewhere.
  for (std::uint64_t i = 0; i < 20; ++i) {
    const std::vector<Span> question = {span(1, 0, 1000), span(10 + i, 0, 10)};
    REQUIRE(router->route(request_for(question), views) == first);
    views[first].sent_tokens += 1010;
  }
  // As they are answered, the last that were sent remain. A prompt that the router knows nothing of
  // counts in full.
  views[first].sent_tokens = 0;
  views[first].pending_tokens = 10 * 1010;
  CHECK(router->route(request_for(kQuestion), views) == first);
  views[first].pending_tokens = 11 * 1010 + 1200;
  const std::vector<Span> last = {span(1, 0, 1000), span(99, 0, 10)};
  CHECK(router->route(request_for(last), views) != first);
}

TEST_CASE("least cost fetches from a quick tier rather than wait in a queue", "[sim][least_cost]") {
  // On the other engine: 10 ms for the question and 1,000 tokens from the store in 100 ms, against
  // 500 ms of queue.
  const auto router = router_with_store(2, 1e-4);
  auto views = test::idle_engines(2);
  const std::size_t first = send_document(*router, views);
  views[first].pending_tokens = 90;
  CHECK(router->route(request_for(kQuestion), views) == first);
  views[first].pending_tokens = 1010 + 500;
  CHECK(router->route(request_for(kQuestion), views) != first);
}

TEST_CASE("least cost waits when the tier is slow, and computes when that is sooner than fetching",
          "[sim][least_cost]") {
  for (const auto& [seconds_per_token, latency] : {std::pair(5e-3, 0.0), std::pair(1e-9, 5.0)}) {
    for (const bool busy : {false, true}) {  // computing takes 1.01 s there, fetching 5 s
      const auto router = router_with_store(2, seconds_per_token, latency);
      auto views = test::idle_engines(2);
      const std::size_t first = send_document(*router, views);
      views[first].pending_tokens = busy ? 1001 : 999;
      CHECK((router->route(request_for(kQuestion), views) == first) == !busy);
    }
  }
}

TEST_CASE("an engine that always fetches is expected to wait for it", "[sim][least_cost]") {
  EngineFacts facts = kPlain;
  facts.always_fetches = true;
  facts.tiers = {{.seconds_per_token = 5e-3, .tokens = 1'000'000}};
  const auto router = router_over({facts, facts});
  auto views = test::idle_engines(2);
  const std::size_t first = send_document(*router, views);
  views[first].pending_tokens = 1001;  // computing would be sooner than that, fetching is not
  CHECK(router->route(request_for(kQuestion), views) == first);
}

TEST_CASE("transfers that an engine waits for are before the next one's", "[sim][least_cost]") {
  // Engine 0 has two documents and 500 ms of queue; engine 1 fetches either in 300 ms, so a
  // question goes there, and one about the other document too if the first has been answered by
  // then.
  EngineFacts quick = kPlain, slow = kPlain;
  quick.tiers = slow.tiers = {{.seconds_per_token = 3e-4, .tokens = 1'000'000}};
  slow.token = 1.1e-3;
  for (const bool answered : {false, true}) {
    const auto router = router_over({quick, slow});
    auto views = test::idle_engines(2);
    const std::vector<Span> document = {span(7, 0, 1000)};
    const std::vector<Span> question = {span(7, 0, 1000), span(8, 0, 10)};
    REQUIRE(router->route(request_for(document), views) == 0);
    REQUIRE(send_document(*router, views) == 0);
    views[0].pending_tokens = 500;
    REQUIRE(router->route(request_for(kQuestion), views) == 1);
    views[1].sent_tokens = answered ? 0 : 1010;
    CHECK(router->route(request_for(question), views) == (answered ? 1 : 0));
  }
}

TEST_CASE("a tier forgets what its capacity cannot hold", "[sim][least_cost]") {
  for (const std::int64_t capacity : {500, 100'000}) {
    EngineFacts facts = kPlain;
    facts.keeps_prefixes = false;
    facts.tiers = {{.seconds_per_token = 1e-5, .tokens = capacity}};
    EngineFacts quicker = kPlain;  // than computing on the other, slower than fetching there
    quicker.token = 5e-4;
    const auto router = router_over({facts, quicker});
    auto views = test::idle_engines(2);
    views[1].pending_tokens = 1'000'000;
    REQUIRE(router->route(request_for(kDocument), views) == 0);
    views[1].pending_tokens = 0;
    CHECK(router->route(request_for(kQuestion), views) == (capacity == 500 ? 1 : 0));
  }
}

TEST_CASE("least cost counts the attention of a long context and the decodes in the steps",
          "[sim][least_cost]") {
  const std::vector<EngineFacts> facts = {{.token = 1e-3, .pair = 1e-6},
                                          {.token = 2e-3, .decode_context_token = 1e-6}};
  const auto router = router_over(facts);
  auto views = test::idle_engines(2);
  // n ms + n (n + 1) / 2 us against 2 n ms: the first is quicker below 1,999 tokens.
  const std::vector<Span> brief = {span(1, 0, 1900)}, lengthy = {span(2, 0, 2100)},
                          other = {span(3, 0, 2100)};
  CHECK(router->route(request_for(brief), views) == 0);
  CHECK(router->route(request_for(lengthy), views) == 1);
  views[1].used_blocks = 0.5;  // 500,000 tokens of context: half a second a step
  CHECK(router->route(request_for(other), views) == 0);
}

// The sum that the policy's head states, with what is cached taken from the earlier decisions,
// token by token, and nothing known of what waits.
TEST_CASE("least cost takes the engine with the least sum by its own record", "[sim][least_cost]") {
  for (std::uint64_t trial = 0; trial < 40; ++trial) {
    Rng rng(trial, "test.least_cost");
    const std::size_t engines = 1 + rng.below(5);
    std::vector<EngineFacts> facts(engines);
    for (EngineFacts& of : facts) {
      of = {.step = rng.uniform(0, 0.05),
            .token = rng.uniform(1e-4, 1e-3),
            .pair = rng.uniform(0, 1e-5),
            .decode_sequence = rng.uniform(0, 1e-2)};
      if (rng.chance(0.7))
        of.tiers = {{.seconds_per_token = rng.uniform(0, 1e-3),
                     .latency = rng.uniform(0, 0.05),
                     .tokens = 1'000'000}};
    }
    const auto router = router_over(facts);
    std::vector<std::vector<std::vector<test::Token>>> sent(engines);
    std::vector<std::vector<test::Token>> stored;
    const auto longest = [](const std::vector<test::Token>& tokens, const auto& earlier) {
      std::size_t most = 0;
      for (const auto& other : earlier) most = std::max(most, test::common_prefix(tokens, other));
      return static_cast<double>(most);
    };
    for (int i = 0; i < 40; ++i) {
      std::vector<Span> prompt;
      for (std::uint64_t part = 0; part < 1 + rng.below(4); ++part)
        prompt.push_back(span(10 * part + rng.below(2), 0, test::between(rng, 1, 200)));
      const auto tokens = test::written_out(prompt);
      auto views = test::idle_engines(engines);
      for (EngineView& view : views) view.running = test::between(rng, 0, 5);
      const std::size_t place = router->route(request_for(prompt), views);
      const auto n = static_cast<double>(tokens.size());
      const auto sum = [&](const EngineFacts& of, double cached, double running) {
        const double fresh = std::max(n - cached, 1.0);
        double attention = 0;
        for (double t = n - fresh + 1; t <= n; ++t) attention += of.pair * t;
        return std::max(of.step, of.token * fresh) + attention +
               of.decode_sequence * running * (1 + fresh / 8192);
      };
      std::vector<double> cost;
      for (std::size_t e = 0; e < engines; ++e) {
        const double cached = longest(tokens, sent[e]);
        const auto running = static_cast<double>(views[e].running);
        cost.push_back(sum(facts[e], cached, running));
        for (const TierFacts& tier : facts[e].tiers) {
          const double there = std::min(longest(tokens, stored), n - 1);
          if (there <= cached) continue;
          cost[e] = std::min(cost[e], sum(facts[e], there, running) + tier.latency +
                                          tier.seconds_per_token * (there - cached));
        }
      }
      CAPTURE(trial, i, place);
      for (const double other : cost) REQUIRE(cost[place] <= other + 1e-9);
      sent[place].push_back(tokens);
      if (!facts[place].tiers.empty()) stored.push_back(tokens);
    }
  }
}

// Mean and 99th percentile of the time to the first token, in seconds.
std::pair<double, double> first_tokens(const std::string& policy) {
  const std::string examples = std::string(SCSIM_SOURCE_DIR) + "/examples/";
  proto::ClusterConfig config;
  REQUIRE(read_yaml_file(examples + "two_pools/cluster.yaml", config));
  config.mutable_router()->set_policy(policy);
  config.mutable_router()->clear_parameters();
  const auto cluster = resolve_cluster(config);
  REQUIRE(cluster);
  auto trace = TraceReader::open(examples + "enterprise_docs/enterprise_docs.pb");
  REQUIRE(trace);
  const auto result = simulate(*trace, *cluster, {});
  REQUIRE(result);
  std::vector<double> seconds;
  double sum = 0;
  for (const RequestResult& request : result->requests) {
    if (request.outcome != Outcome::kFinished) continue;
    seconds.push_back(static_cast<double>((request.first_token - request.arrival).ns()) * 1e-9);
    sum += seconds.back();
  }
  REQUIRE(seconds.size() > 5000);
  std::ranges::sort(seconds);
  return {sum / static_cast<double>(seconds.size()), seconds[seconds.size() * 99 / 100]};
}

TEST_CASE("over two unlike pools least cost answers sooner than prefix aware, which counts tokens",
          "[sim][least_cost]") {
  const auto [mean, late] = first_tokens("least_cost");
  const auto [mean_by_tokens, late_by_tokens] = first_tokens("prefix_aware");
  CAPTURE(mean, mean_by_tokens, late, late_by_tokens);
  CHECK(mean < 0.9 * mean_by_tokens);
  CHECK(late < 0.9 * late_by_tokens);
}

}  // namespace
}  // namespace scsim::sim
