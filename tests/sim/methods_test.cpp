// Long-context methods in the simulator: laws, and small cases by hand.
#include <catch2/catch.hpp>

#include "sim/method_model.h"
#include "tests/sim/small_cluster.h"
#include "traces/proto/cluster.pb.h"
#include "traces/rng.h"
#include "traces/yaml_message.h"

namespace scsim::sim {
namespace {

using Catch::Contains;
using test::at_ms;
using test::for_ms;
using test::SmallTrace;

const cost_models::ModelShape& llama() {
  static const cost_models::ModelShape model = *cost_models::find_model("llama-3.1-8b");
  return model;
}

std::shared_ptr<const MethodModel> method(const std::string& text) {
  auto made = make_method_model(text, llama(), {}, 16, nullptr);
  if (!made) FAIL(made.error().message);
  return *std::move(made);
}

std::string error_of(const std::string& text) {
  const auto made = make_method_model(text, llama(), {}, 16, nullptr);
  return made ? "no error" : made.error().message;
}

constexpr test::LinearCost kCost = {.step = 1e-3, .prefill_token = 1e-5, .context_token = 1e-6};

Cluster cluster_with(const std::string& text, std::int64_t blocks) {
  EngineKnobs knobs;
  Cluster cluster = test::small_cluster(kCost, knobs, blocks);
  cluster.pools[0].method = method(text);
  return cluster;
}

std::int64_t preemptions(const Result& result) {
  std::int64_t sum = 0;
  for (const RequestResult& request : result.requests) sum += request.preemptions;
  return sum;
}

// Sessions of three turns, each behind a document of its own; the same whatever serves it.
SmallTrace conversations(int sessions) {
  SmallTrace trace;
  Rng rng(5, "tests.methods");
  for (int s = 0; s < sessions; ++s) {
    const auto tokens = [&](std::uint64_t least, std::uint64_t spread) {
      return static_cast<std::int64_t>(least + rng.below(spread));
    };
    const std::int64_t document = tokens(300, 600), question = tokens(10, 40),
                       answer = tokens(40, 60);
    std::vector<Span> prompt = {{trace.content(document), Tokens{0}, Tokens{document}},
                                {trace.content(question), Tokens{0}, Tokens{question}}};
    const ContentId answered = trace.content(answer);
    Request& first = trace.ask(at_ms(5 * s), prompt, answer);
    first.session = SessionId(static_cast<std::uint64_t>(s));
    first.output = answered;
    prompt.push_back({answered, Tokens{0}, Tokens{answer}});
    prompt.push_back({trace.content(question), Tokens{0}, Tokens{question}});
    Request& second = trace.ask(at_ms(5 * s + 2), prompt, answer);
    second.session = SessionId(static_cast<std::uint64_t>(s));
    second.turn = 1;
    second.arrival.reset();
    second.parents = {RequestId(static_cast<std::uint64_t>(2 * s))};
    second.think = for_ms(100);
    second.earliest = at_ms(5 * s + 2);
  }
  return trace;
}

}  // namespace

TEST_CASE("full attention is no method at all", "[sim][methods]") {
  CHECK(method("full") == nullptr);
  const auto text_of = [](const std::string& yaml) {
    proto::ClusterConfig config;
    REQUIRE(read_yaml_text(yaml, "c.yaml", config).has_value());
    const auto cluster = resolve_cluster(config);
    if (!cluster) FAIL(cluster.error().message);
    return cluster->text;
  };
  CHECK(text_of("pools: [{method: full}]") == text_of("{}"));
  CHECK_THAT(text_of("pools: [{method: 'snapkv:budget=300'}]"),
             Contains("method: \"snapkv:budget=300\"") || Contains("method: snapkv:budget=300"));
}

TEST_CASE("settings that drop nothing cost what full attention costs", "[sim][methods]") {
  SmallTrace trace = conversations(20);
  const Result full = test::run(trace, test::small_cluster(kCost, {}, 4000));
  for (const char* text : {"snapkv:budget=100000", "streaming_llm:evict=once,window=100000",
                           "a_shape:local=1000000", "quest:budget=1000000"}) {
    INFO(text);
    Cluster cluster = cluster_with(text, 4000);
    if (cluster.pools[0].method->reads)
      cluster.pools[0].cost_model =
          with_partial_reads(std::move(cluster.pools[0].cost_model), {1, 0, 1'000'000});
    const Result result = test::run(trace, cluster);
    REQUIRE(result.requests.size() == full.requests.size());
    for (std::size_t i = 0; i < full.requests.size(); ++i) {
      CHECK(result.requests[i].end.ns() == full.requests[i].end.ns());
      CHECK(result.requests[i].found_tokens == full.requests[i].found_tokens);
    }
  }
}

TEST_CASE("a compressed prompt is read and held as what was kept of it", "[sim][methods]") {
  // 100 tokens in 7 blocks, of which 64 are kept: 4 blocks, then one more for each 16 tokens.
  SmallTrace trace;
  trace.ask(at_ms(0), 100, 21);
  const Result result =
      test::run(trace, cluster_with("streaming_llm:sinks=4,window=60,evict=once", 50));
  double seconds = kCost.step + 100 * kCost.prefill_token;
  for (int i = 1; i <= 20; ++i) seconds += kCost.step + kCost.context_token * (64 + i);
  CHECK(static_cast<double>(result.end.ns()) == Approx(seconds * 1e9).margin(25));
  CHECK(result.engines[0].peak_used_blocks == 7);
  CHECK(result.requests[0].output_tokens == 21);
}

TEST_CASE("the next turn of a session finds its compressed cache, all of it", "[sim][methods]") {
  SmallTrace trace = conversations(1);
  const std::int64_t prompt = trace.requests()[0].prompt_tokens().value();
  const std::int64_t answer = trace.requests()[0].output_tokens.value();
  const Result result = test::run(trace, cluster_with("snapkv:budget=128,window=16", 1000));
  const RequestResult& second = test::result_of(result, 1);
  // The prompt that was compressed, and the whole blocks of what came behind it: of the answer all
  // but its last token was computed.
  CHECK(second.found_tokens == prompt + (answer - 1) / 16 * 16);
  // A cache with the first question in view is not for other sessions.
  SmallTrace others = conversations(1);
  others.requests()[1].session = SessionId(7);
  const Result apart = test::run(others, cluster_with("snapkv:budget=128,window=16", 1000));
  CHECK(test::result_of(apart, 1).found_tokens == 0);
  // One that no question shaped is, and counts as lossy.
  const Result lossy =
      test::run(others, cluster_with("streaming_llm:sinks=4,window=124,evict=once", 1000));
  CHECK(test::result_of(lossy, 1).found_tokens == prompt + (answer - 1) / 16 * 16);
  REQUIRE(lossy.fetches.size() == 2);
  CHECK(lossy.fetches[1].found_lossy_tokens > 0);
  CHECK(lossy.fetches[1].found_lossy_tokens <= test::result_of(lossy, 1).found_tokens);
}

TEST_CASE("who keeps less is never preempted more", "[sim][methods]") {
  // The same schedule: steps take the same time whatever they read, and as many requests run.
  const SmallTrace trace = conversations(60);
  std::int64_t last = 0;
  for (const char* window : {"28", "124", "252", "508", "100000"}) {
    EngineKnobs knobs;
    knobs.max_sequences = 3;
    Cluster cluster = test::small_cluster({.step = 1e-2}, knobs, 110);
    cluster.pools[0].method =
        method("streaming_llm:sinks=4,evict=once,window=" + std::string(window));
    const Result result = test::run(trace, cluster);
    for (const RequestResult& request : result.requests)
      CHECK(request.outcome == Outcome::kFinished);
    CHECK(preemptions(result) >= last);
    last = preemptions(result);
  }
  CHECK(last > 0);
}

TEST_CASE("tenants with different methods never share blocks", "[sim][methods]") {
  SmallTrace trace;
  const ContentId document = trace.content(800);
  for (int i = 0; i < 6; ++i) {
    Request& request = trace.ask(at_ms(1000 * i), {{document, Tokens{0}, Tokens{800}}}, 5);
    request.tenant = TenantId(static_cast<std::uint64_t>(i % 2));
    request.session = SessionId(static_cast<std::uint64_t>(i));
  }
  Cluster cluster = test::small_cluster(kCost, {}, 1000);
  CHECK(test::result_of(test::run(trace, cluster), 1).found_tokens == 784);
  cluster.pools[0].method_of_tenant["a"] = nullptr;  // full attention
  cluster.pools[0].method = method("a_shape:local=64");
  const Result result = test::run(trace, cluster);
  CHECK(test::result_of(result, 1).found_tokens == 0);    // the other tenant's
  CHECK(test::result_of(result, 2).found_tokens == 784);  // its own
  // A class's method goes before the tenant's and the pool's: now all have the same.
  cluster.pools[0].method_of_class["default"] = nullptr;
  CHECK(test::result_of(test::run(trace, cluster), 1).found_tokens == 784);
  cluster.pools[0].method_of_class.clear();
  cluster.pools[0].method_of_class["another"] = nullptr;
  CHECK(test::result_of(test::run(trace, cluster), 1).found_tokens == 0);
}

TEST_CASE("what a decode step reads of a cache that is kept whole is as the contract has it",
          "[sim][methods]") {
  const auto quest = method("quest:budget=512");
  REQUIRE(quest->reads.has_value());
  const auto choice = *methods::parse_method("quest:budget=512");
  const auto contract = methods::make_contract(choice);
  for (const std::int64_t context : {100, 400, 1000, 5000, 20000}) {
    double bytes = 0, dense = 0;
    for (std::int64_t layer = 0; layer < 32; ++layer) {
      const methods::AttentionLayer attention{layer, 32, 32, 8, 128, 2};
      bytes += contract->decode_reads(attention, Tokens{context}).hbm.value();
      dense += methods::dense_bytes(attention, Tokens{1}).value();
    }
    const PartialReads& reads = *quest->reads;
    CHECK(reads.all * static_cast<double>(context) +
              reads.first * static_cast<double>(std::min(context, reads.budget)) ==
          Approx(bytes / dense).epsilon(0.03).margin(64));
  }
  // Its bounds take room.
  CHECK(quest->cache_share > 1.05);
  CHECK(quest->cache_share < 1.25);
}

TEST_CASE("what a prefill attends is as the contract has it", "[sim][methods]") {
  CHECK(method("snapkv")->prefill_pairs(100, 50) == cost_models::causal_pairs(100, 50, 0));
  const double sparse = method("a_shape:init=16,local=64")->prefill_pairs(0, 4000);
  CHECK(sparse < 0.1 * cost_models::causal_pairs(0, 4000, 0));
  CHECK(sparse > 4000.0 * 64);
  CHECK(method("minference")->chunked == false);
  CHECK_THAT(method("minference")->honesty.at(0), Contains("was not measured"));
}

TEST_CASE("what is not modelled is refused by name", "[sim][methods]") {
  CHECK(error_of("snapvk:budget=3") != "no error");
  CHECK_THAT(error_of("snapvk"), Contains("did you mean \"snapkv\"?"));
  CHECK_THAT(error_of("streaming_llm"), Contains("drops with every token is not modelled yet"));
  CHECK_THAT(error_of("h2o"), Contains("not modelled yet"));
  CHECK_THAT(error_of("retrieval_attention"), Contains("on the host is not modelled yet"));
  CHECK_THAT(error_of("kivi"), Contains("compressed while it is decoded is not modelled yet"));
  CHECK(error_of("kivi:later=full") == "no error");
  CHECK_THAT(error_of("cacheblend"), Contains("reuse at other offsets is not modelled yet"));
  CHECK(error_of("prefix_cache") == "no error");
  CHECK_THAT(error_of("llmlingua"), Contains("prompt that is rewritten is not modelled yet"));
  CHECK(error_of("llmlingua:rate=1") == "no error");
}

}  // namespace scsim::sim
