// What routers know of the engines, and when; which engines serve which model.
#include "sim/frontend.h"

#include <catch2/catch.hpp>
#include <map>

#include "tests/sim/random_cluster.h"
#include "tests/support/trace_files.h"

namespace scsim::sim {
namespace {

using test::at_ms;
using test::small_pool;
using test::span;

// Engines that requests are submitted to and that never run, so that what they say of themselves is
// counted here: requests that wait, and their tokens.
class Engines {
 public:
  explicit Engines(const Cluster& cluster) {
    for (const Pool& pool : cluster.pools) {
      EngineSettings settings;
      settings.knobs = pool.knobs;
      settings.num_blocks = pool.num_blocks;
      settings.max_model_len = pool.max_model_len;
      settings.cost_model = pool.cost_model.get();
      for (int i = 0; i < pool.engines; ++i)
        engines_.push_back(std::make_unique<Engine>(settings, gaps_, 16));
    }
    said_.resize(engines_.size());
  }
  const std::vector<std::unique_ptr<Engine>>& all() const { return engines_; }

  void submit(std::uint32_t engine, const std::vector<Span>& prompt, TimePoint now) {
    JobSpec spec;
    spec.prompt = prompt;
    spec.output_tokens = 1;
    engines_[engine]->submit(spec, 0, 0, now);
    auto& said = said_[engine];
    const Counts before = said.empty() ? Counts{} : said.rbegin()->second;
    said[now] = {before.requests + 1, before.tokens + prompt[0].count.value()};
  }

  struct Counts {
    std::int64_t requests = 0, tokens = 0;
  };
  // All that was submitted up to and at `time`.
  Counts at(std::uint32_t engine, TimePoint time) const {
    const auto after = said_[engine].upper_bound(time);
    return after == said_[engine].begin() ? Counts{} : std::prev(after)->second;
  }

 private:
  GapBook gaps_{std::vector<GapHistogram>(1), std::vector<GapHistogram>(1)};
  std::vector<std::unique_ptr<Engine>> engines_;
  std::vector<std::map<TimePoint, Counts>> said_;  // by engine, what was so from that time on
};

TEST_CASE("a view is what its engine was at a multiple of the staleness, never of the future",
          "[sim][frontend]") {
  for (std::uint64_t trial = 0; trial < 50; ++trial) {
    Rng rng(trial, "test.frontend");
    const std::int64_t period = trial % 5 == 0 ? 0 : test::between(rng, 1, 40);
    Cluster cluster = test::small_cluster(test::kSomeCost, {}, 1000, 4);
    cluster.router = "least_loaded";
    cluster.staleness = Duration(period);
    Engines engines(cluster);
    Frontend frontend(cluster, engines.all());
    std::optional<TimePoint> observation;
    std::map<std::uint32_t, std::map<TimePoint, Engines::Counts>> sent;  // by engine and time
    TimePoint now(1);  // at 0 a view says that there is nothing yet
    for (int i = 0; i < 200; ++i) {
      const TimePoint next = now + Duration(test::between(rng, 0, 15));
      if (observation && *observation < next) {  // it looks last within its instant
        frontend.observe(*observation);
        observation.reset();
      }
      now = next;
      const std::vector<Span> prompt = {
          span(static_cast<std::uint64_t>(i), 0, test::between(rng, 1, 100))};
      RoutableRequest request;
      request.prompt = prompt;
      request.prompt_tokens = prompt[0].count.value();
      const auto engine = frontend.route(request, ModelId(0), "any");
      REQUIRE(engine);
      Engines::Counts& counts = sent[*engine][now];
      counts.requests += 1;
      counts.tokens += request.prompt_tokens;
      engines.submit(*engine, prompt, now);
      if (const auto when = frontend.changed(*engine, now)) {
        REQUIRE_FALSE(observation);
        observation = when;
      }

      CAPTURE(trial, i, period, now.ns());
      const auto views = frontend.views(ModelId(0));
      REQUIRE(views.size() == 4);
      for (std::uint32_t e = 0; e < 4; ++e) {
        const EngineView& view = views[e];
        REQUIRE(view.as_of <= now);
        if (period > 0) {
          REQUIRE(view.as_of.ns() % period == 0);
          // No older than need be: what changed before the last multiple was looked at then.
          const TimePoint last((now.ns() - 1) / period * period);
          REQUIRE(engines.at(e, last - Duration(1)).requests <= view.waiting);
        }
        REQUIRE(view.waiting == engines.at(e, view.as_of).requests);
        REQUIRE(view.pending_tokens == engines.at(e, view.as_of).tokens);
        REQUIRE(view.running == 0);
        REQUIRE(view.cache_tokens == 16'000);
        Engines::Counts since;
        for (const auto& [time, then] : sent[e]) {
          if (time <= view.as_of) continue;
          since.requests += then.requests;
          since.tokens += then.tokens;
        }
        REQUIRE(view.sent_requests == since.requests);
        REQUIRE(view.sent_tokens == since.tokens);
      }
    }
  }
}

// A trace of one request for each of the models named.
Result run_models(const std::vector<std::string>& models, const Cluster& cluster) {
  const test::TemporaryFolder folder;
  auto writer = TraceWriter::create(folder.file("t.pb"), TraceHeader{});
  REQUIRE(writer);
  writer->add_tenant("a");
  for (std::size_t i = 0; i < models.size(); ++i) {
    const ModelId model = writer->add_model(models[i]);
    Request request =
        test::open_request(at_ms(static_cast<std::int64_t>(i)),
                           {{writer->add_content(Tokens(50)), Tokens(0), Tokens(50)}});
    request.model = model;
    writer->add(request);
  }
  REQUIRE(writer->finish());
  auto reader = TraceReader::open(folder.file("t.pb"));
  REQUIRE(reader);
  auto result = simulate(*reader, cluster, {});
  if (!result) FAIL(result.error().message);
  return std::move(*result);
}

// Pool "first" of engines 0 and 1 for "alpha", pool "second" of engine 2 for "beta".
Cluster two_pools(bool second_serves_all) {
  Cluster cluster;
  cluster.router = "round_robin";
  for (const bool second : {false, true}) {
    Pool pool = small_pool(test::kSomeCost, {}, 100, second ? 1 : 2);
    pool.name = second ? "second" : "first";
    pool.model_name = second ? "models/beta.json" : "alpha";
    pool.model.name = second ? "beta" : "alpha";
    pool.serves_every_model = second && second_serves_all;
    cluster.pools.push_back(std::move(pool));
  }
  return cluster;
}

TEST_CASE("a request goes to the pool that serves its model, named as model, file or pool",
          "[sim][frontend]") {
  const Result result =
      run_models({"alpha", "beta", "models/beta.json", "second", "first"}, two_pools(false));
  std::vector<std::int32_t> engines;
  for (const RequestResult& request : result.requests) engines.push_back(request.engine);
  CHECK(engines == std::vector<std::int32_t>{0, 2, 2, 2, 1});
}

TEST_CASE("a model that no pool serves is refused, and the result says so", "[sim][frontend]") {
  const Result result = run_models({"alpha", "gamma", "gamme"}, two_pools(false));
  CHECK(result.requests[0].outcome == Outcome::kFinished);
  for (const std::size_t place : {1, 2}) {
    CHECK(result.requests[place].outcome == Outcome::kRefused);
    CHECK(result.requests[place].engine == -1);
    CHECK(result.requests[place].end == result.requests[place].arrival);
  }
  const std::string& said = result.honesty.back();
  CHECK_THAT(said, Catch::Contains("refused: 2 requests") && Catch::Contains("no pool serves") &&
                       Catch::Contains("gamma"));
}

TEST_CASE("a pool that serves every model takes what no pool is named for", "[sim][frontend]") {
  const Result result = run_models({"alpha", "gamma"}, two_pools(true));
  CHECK(result.requests[0].engine == 0);
  CHECK(result.requests[1].engine == 2);
  CHECK(result.requests[1].outcome == Outcome::kFinished);
}

}  // namespace
}  // namespace scsim::sim
