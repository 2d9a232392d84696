#include "sim/disaggregation.h"

#include <catch2/catch.hpp>
#include <limits>

#include "tests/sim/random_cluster.h"
#include "tests/sim/random_trace.h"
#include "tests/sim/store/random_prompts.h"
#include "traces/proto/cluster.pb.h"
#include "traces/yaml_message.h"

namespace scsim::sim {
namespace {

using test::at_ms;
using test::for_ms;
using test::SmallTrace;
using FirstToken = Disaggregation::FirstToken;
using Transfer = Disaggregation::Transfer;

constexpr double kInfinite = std::numeric_limits<double>::infinity();
constexpr auto kTransfers = {Transfer::kPull, Transfer::kPush, Transfer::kLayered};

// 4 layers of 16 bytes a token.
constexpr double kBytes = 4 * 16;

EngineKnobs blocks_of_ten() {
  EngineKnobs knobs;
  knobs.block_tokens = 10;
  return knobs;
}

// A pool that prefills, on one node, for one that decodes, on another.
Cluster split(const test::LinearCost& cost, const EngineKnobs& knobs, std::int64_t blocks,
              Transfer transfer, FirstToken first_token, double tokens_per_second = kInfinite) {
  Cluster cluster = test::small_cluster(cost, knobs, blocks);
  cluster.pools.push_back(test::small_pool(cost, knobs, blocks));
  cluster.pools[0].role = Role::kPrefill;
  cluster.pools[1].role = Role::kDecode;
  for (Pool& pool : cluster.pools) pool.model.layers = {{.count = 4, .kv_heads = 1, .head_dim = 4}};
  cluster.store.pcie_bytes_per_second = kInfinite;
  cluster.store.nic_bytes_per_second = tokens_per_second * kBytes;
  cluster.disaggregation = {.on = true, .transfer = transfer, .first_token = first_token};
  return cluster;
}

Cluster colocated(const test::LinearCost& cost, const EngineKnobs& knobs, std::int64_t blocks) {
  Cluster cluster = test::small_cluster(cost, knobs, blocks);
  cluster.pools[0].model.layers = {{.count = 4, .kv_heads = 1, .head_dim = 4}};
  return cluster;
}

SmallTrace far_apart(Rng& rng, int requests) {
  SmallTrace trace = test::random_prompts(rng, requests);
  for (std::size_t i = 0; i < trace.requests().size(); ++i) {
    Request& request = trace.requests()[i];
    request.arrival = request.earliest =
        TimePoint(static_cast<std::int64_t>(i) * 1'000'000'000'000);
    request.output = trace.content(static_cast<std::int64_t>(1 + rng.below(30)));
    request.output_tokens = request.max_tokens = trace.contents().back();
  }
  return trace;
}

TEST_CASE("with links that take no time and one request at a time it is as if one engine did both",
          "[sim][disaggregation]") {
  for (const Transfer transfer : kTransfers) {
    for (const FirstToken first :
         {FirstToken::kWithKv, FirstToken::kPrefill, FirstToken::kDecode}) {
      Rng rng(7, "test.disaggregation.same");
      const SmallTrace trace = far_apart(rng, 40);
      const Result one = run(trace, colocated(test::kSomeCost, blocks_of_ten(), 10'000));
      const Cluster cluster = split(test::kSomeCost, blocks_of_ten(), 10'000, transfer, first);
      const Result two = run(trace, cluster);
      for (std::size_t i = 0; i < trace.requests().size(); ++i) {
        CAPTURE(static_cast<int>(transfer), static_cast<int>(first), i);
        const RequestResult &a = one.requests[i], &b = two.requests[i];
        // The prompt's last token again: a step of its own.
        std::int64_t again = 0;
        if (first == FirstToken::kDecode) {
          const double context = static_cast<double>(b.prompt_tokens);
          again = static_cast<std::int64_t>(1e9 * (1.3e-3 + 7e-6 + 1e-8 * context) + 0.5);
        }
        CHECK(std::abs((b.first_token - a.first_token).ns() - again) <= 2);
        CHECK(std::abs((b.end - b.first_token).ns() - (a.end - a.first_token).ns()) <= 2);
        CHECK(b.output_tokens == a.output_tokens);
        CHECK(two.transfers[i].local == TransferResult::Local::kNo);
        CHECK(two.transfers[i].prefill_engine == 0);
        CHECK(b.engine == 1);
      }
    }
  }
}

TEST_CASE("a router that learns hears of first tokens wherever they come from",
          "[sim][disaggregation]") {
  for (const FirstToken first : {FirstToken::kWithKv, FirstToken::kDecode}) {
    Cluster cluster = split(test::kSomeCost, blocks_of_ten(), 10'000, Transfer::kPull, first, 1000);
    cluster.pools[1].engines = 8;
    cluster.router = "bandit";
    SmallTrace trace;
    ContentId document;
    for (int i = 0; i < 400; ++i) {  // each document twice
      if (i % 2 == 0) document = trace.content(1000);
      Request& request = trace.ask(at_ms(10'000 * i), {{document, Tokens(0), Tokens(1000)}}, 2);
      request.session = SessionId(7);
      request.turn = i;
    }
    const Result result = run(trace, cluster);
    // Where the document is, its KV need not be moved; half of the arms do not care.
    int there = 0;
    for (std::size_t i = 201; i < 400; i += 2)
      there += result.requests[i].engine == result.requests[i - 1].engine ? 1 : 0;
    CHECK(there > 80);
  }
}

TEST_CASE("what is moved is the KV of the prompt that the decode engine lacks, to the byte",
          "[sim][disaggregation]") {
  for (const Transfer transfer : kTransfers) {
    Rng rng(11, "test.disaggregation.bytes");
    const SmallTrace trace = far_apart(rng, 200);
    const Result one = run(trace, colocated(test::kSomeCost, blocks_of_ten(), 10'000));
    Cluster cluster =
        split(test::kSomeCost, blocks_of_ten(), 10'000, transfer, FirstToken::kDecode, 1e5);
    const Result two = run(trace, cluster);
    std::int64_t all = 0, kept = 0;
    for (std::size_t i = 0; i < trace.requests().size(); ++i) {
      const TransferResult& moved = two.transfers[i];
      // With memory for all, one engine finds what the decode engine does.
      CHECK(moved.tokens == two.requests[i].prompt_tokens - one.requests[i].found_tokens);
      CHECK(moved.bytes == moved.tokens * static_cast<std::int64_t>(kBytes));
      all += moved.bytes;
      kept += one.requests[i].found_tokens;
    }
    CHECK(kept > 1'000);
    for (const LinkResult& link : two.links) {
      const bool on_the_way = link.name == "engine0 -> node0" || link.name == "node0 -> switch" ||
                              link.name == "switch -> node1" || link.name == "node1 -> engine1";
      CHECK(link.bytes == (on_the_way ? all : 0));
    }
  }
}

// 1,000 tokens at 1 ms each in steps of 400, 400 and 200; 2,000 tokens a second over the NIC, then
// 500. Layer by layer (of four) the first three of the first step, 300 tokens, move from 0.1 s on,
// its last 100 from 0.4 s; and so on: the last 50 from 1.0 s. At 500 a second the link is never
// idle from 0.1 s on.
TEST_CASE("a transfer begins when its mode says and takes its bytes", "[sim][disaggregation]") {
  EngineKnobs knobs = blocks_of_ten();
  knobs.max_batched_tokens = 400;
  const test::LinearCost cost = {.prefill_token = 1e-3, .decode_sequence = 1e-2};
  SmallTrace trace;
  trace.ask(at_ms(0), 1'000, 3);
  const auto first_token = [&](Transfer transfer, double rate, FirstToken first) {
    const Result result = run(trace, split(cost, knobs, 1'000, transfer, first, rate));
    const RequestResult& r = result.requests[0];
    const bool layered = transfer == Transfer::kLayered;
    CHECK(result.transfers[0].bytes == 1'000 * static_cast<std::int64_t>(kBytes));
    if (first == FirstToken::kWithKv) {
      CHECK(result.transfers[0].wait_ns == r.first_token.ns() - at_ms(1'000).ns());
      CHECK(result.transfers[0].moving_ns == r.first_token.ns() - at_ms(layered ? 0 : 1'000).ns());
      CHECK((r.end - r.first_token).ns() == for_ms(20).ns());
    }
    return r.first_token;
  };
  for (const Transfer transfer : {Transfer::kPull, Transfer::kPush}) {
    CHECK(first_token(transfer, 2'000, FirstToken::kWithKv) == at_ms(1'500));
    CHECK(first_token(transfer, 2'000, FirstToken::kPrefill) == at_ms(1'000));
    CHECK(first_token(transfer, 2'000, FirstToken::kDecode) == at_ms(1'501));
    CHECK(first_token(transfer, 500, FirstToken::kWithKv) == at_ms(3'000));
  }
  CHECK(first_token(Transfer::kLayered, 2'000, FirstToken::kWithKv) == at_ms(1'025));
  CHECK(first_token(Transfer::kLayered, 500, FirstToken::kWithKv) == at_ms(2'100));
  CHECK(first_token(Transfer::kLayered, 500, FirstToken::kPrefill) == at_ms(1'000));
}

TEST_CASE("layer by layer is never later than all at once", "[sim][disaggregation]") {
  std::size_t sooner = 0;
  for (std::uint64_t trial = 0; trial < 40; ++trial) {
    Rng rng(trial, "test.disaggregation.layered");
    const SmallTrace trace = far_apart(rng, 20);
    EngineKnobs knobs = blocks_of_ten();
    knobs.max_batched_tokens = test::between(rng, 5, 60);
    const double rate = 1e3 * std::exp2(static_cast<double>(rng.below(14)));
    const auto result = [&](Transfer transfer) {
      return run(trace, split(test::kSomeCost, knobs, 1'000, transfer, FirstToken::kWithKv, rate));
    };
    const Result push = result(Transfer::kPush), layered = result(Transfer::kLayered),
                 pull = result(Transfer::kPull);
    for (std::size_t i = 0; i < trace.requests().size(); ++i) {
      CHECK(layered.requests[i].first_token <= push.requests[i].first_token);
      CHECK(pull.requests[i].first_token == push.requests[i].first_token);
      if (layered.requests[i].first_token < push.requests[i].first_token) ++sooner;
    }
  }
  CHECK(sooner > 300);
}

// Room for one prompt of 100 tokens and its answer. Pulled, the second is computed while the first
// decodes, and waits at the prefill engine; pushed, it is not even computed.
TEST_CASE("a prompt waits until the decode engine has room for it", "[sim][disaggregation]") {
  const test::LinearCost cost = {.step = 1e-3, .prefill_token = 1e-3};
  SmallTrace trace;
  for (int i = 0; i < 2; ++i) trace.ask(at_ms(0), 100, 50);
  for (const Transfer transfer : kTransfers) {
    Cluster cluster = split(cost, blocks_of_ten(), 16, transfer, FirstToken::kWithKv, 1e6);
    cluster.pools[0] = test::small_pool(cost, blocks_of_ten(), 1'000);
    cluster.pools[0].role = Role::kPrefill;
    cluster.pools[0].model.layers = cluster.pools[1].model.layers;
    const Result result = run(trace, cluster);
    const RequestResult &first = result.requests[0], &second = result.requests[1];
    CHECK(second.first_token > first.end);
    if (transfer == Transfer::kPull) {
      CHECK(second.scheduled < first.first_token);
      CHECK((second.first_token - first.end).ns() < for_ms(10).ns());
    } else {
      CHECK(second.scheduled >= first.end);
    }
    CHECK(result.engines[1].peak_used_blocks <= 16);
  }
}

TEST_CASE("short, or mostly held, prompts stay with the decode engine if the decider says so",
          "[sim][disaggregation]") {
  SmallTrace trace;
  const ContentId document = trace.content(1'000);
  const auto ask = [&](std::int64_t ms, std::int64_t tokens) {
    trace.ask(at_ms(ms), std::vector{Span{document, Tokens(0), Tokens(tokens)}}, 5);
  };
  ask(0, 50);          // short
  ask(10'000, 500);    // long
  ask(20'000, 590);    // 90 behind what is held
  ask(30'000, 1'000);  // long again
  Cluster cluster =
      split(test::kSomeCost, blocks_of_ten(), 1'000, Transfer::kPull, FirstToken::kDecode);
  cluster.disaggregation.decider = Disaggregation::Decider::kThreshold;
  cluster.disaggregation.threshold = 100;
  using Local = TransferResult::Local;
  const auto where = [&] {
    std::vector<Local> local;
    for (const TransferResult& transfer : run(trace, cluster).transfers)
      local.push_back(transfer.local);
    return local;
  };
  CHECK((where() == std::vector{Local::kDecider, Local::kNo, Local::kDecider, Local::kNo}));
  cluster.disaggregation.decider = Disaggregation::Decider::kNever;
  CHECK((where() == std::vector(4, Local::kDecider)));
  cluster.disaggregation.decider = Disaggregation::Decider::kAlways;
  cluster.pools[0].max_model_len = 600;
  CHECK((where() == std::vector{Local::kNo, Local::kNo, Local::kNo, Local::kTooLong}));
  cluster.pools[1].role = Role::kBoth;
  CHECK((where() == std::vector(4, Local::kNoRoles)));
}

TEST_CASE("where every prefill engine has too much waiting the decode engine computes the prompt",
          "[sim][disaggregation]") {
  const test::LinearCost cost = {.step = 1e-3, .prefill_token = 1e-2};
  EngineKnobs knobs = blocks_of_ten();
  knobs.max_sequences = 1;
  SmallTrace trace;
  for (int i = 0; i < 6; ++i) trace.ask(at_ms(i), 100, 2);
  Cluster cluster = split(cost, knobs, 1'000, Transfer::kPull, FirstToken::kDecode);
  cluster.disaggregation.max_waiting = 2;
  const Result result = run(trace, cluster);
  std::vector<bool> local;
  for (const TransferResult& transfer : result.transfers)
    local.push_back(transfer.local == TransferResult::Local::kBusy);
  CHECK((local == std::vector{false, false, false, true, true, true}));
}

TEST_CASE("an answer that its first token ends needs no decode engine, if the other samples it",
          "[sim][disaggregation]") {
  SmallTrace trace;
  trace.ask(at_ms(0), 100, 1);
  for (const Transfer transfer : kTransfers) {
    for (const FirstToken first : {FirstToken::kWithKv, FirstToken::kPrefill}) {
      const Result result =
          run(trace, split(test::kSomeCost, blocks_of_ten(), 100, transfer, first, 1e3));
      CHECK(result.requests[0].end == result.requests[0].first_token);
      CHECK(result.requests[0].output_tokens == 1);
      CHECK(result.engines[1].steps == 0);
    }
    const Result result = run(
        trace, split(test::kSomeCost, blocks_of_ten(), 100, transfer, FirstToken::kDecode, 1e3));
    CHECK(result.engines[1].steps == 1);
  }
}

// 1,000 tokens at 1,000 a second, from 1 s on.
TEST_CASE("KV that finds no way waits on its way, and is computed again before it",
          "[sim][disaggregation]") {
  const test::LinearCost cost = {.step = 1e-3, .prefill_token = 1e-3};
  EngineKnobs knobs = blocks_of_ten();
  knobs.max_batched_tokens = 10'000;
  SmallTrace trace;
  trace.ask(at_ms(0), 1'000, 2);
  for (const Transfer transfer : {Transfer::kPull, Transfer::kPush}) {
    Cluster cluster = split(cost, knobs, 1'000, transfer, FirstToken::kWithKv, 1'000);
    const TimePoint quiet = run(trace, cluster).requests[0].first_token;
    CHECK(quiet == at_ms(2'001));
    cluster.store.link_failures = {{"node1", "switch", for_ms(1'500), for_ms(700)}};
    Result result = run(trace, cluster);
    CHECK(result.requests[0].first_token == at_ms(2'701));
    CHECK(result.transfers[0].local == TransferResult::Local::kNo);
    cluster.store.link_failures = {{"node1", "switch", for_ms(500), for_ms(60'000)}};
    result = run(trace, cluster);
    CHECK(result.transfers[0].local == TransferResult::Local::kNoWay);
    CHECK(result.transfers[0].bytes == 0);
    CHECK(result.requests[0].output_tokens == 2);
    CHECK(result.engines[1].prefill_tokens == 1'001);
    CHECK(result.requests[0].end == at_ms(1'001 + 1'002));
  }
}

// The run itself checks that each block, byte and second is accounted for.
TEST_CASE("any cluster of roles serves any trace, twice the same", "[sim][disaggregation]") {
  std::size_t moved = 0, cancelled = 0, preempted = 0, local = 0;
  for (std::uint64_t trial = 0; trial < 300; ++trial) {
    Rng rng(trial, "test.disaggregation.random");
    CAPTURE(trial);
    const SmallTrace trace = test::random_trace(rng, {.mean_pause_ms = 10});
    Cluster cluster = test::random_cluster(rng);
    cluster.pools[0].knobs.max_model_len = 0;
    const EngineKnobs knobs = cluster.pools[0].knobs;
    const std::int64_t blocks = cluster.pools[0].num_blocks;
    const auto more = [&](Role role) {
      cluster.pools.push_back(
          test::small_pool(test::kSomeCost, knobs, blocks, static_cast<int>(1 + rng.below(3))));
      cluster.pools.back().role = role;
      cluster.pools.back().model.layers = {{.count = 2, .kv_heads = 2, .head_dim = 8}};
    };
    cluster.pools[0].role = Role::kDecode;
    cluster.pools[0].model.layers = {{.count = 2, .kv_heads = 2, .head_dim = 8}};
    more(Role::kPrefill);
    if (rng.chance(0.3)) more(Role::kBoth);
    if (rng.chance(0.3)) more(Role::kDecode);
    cluster.disaggregation = {.on = true,
                              .decider = static_cast<Disaggregation::Decider>(rng.below(2)),
                              .threshold = test::between(rng, 1, 60),
                              .max_waiting = test::between(rng, 0, 4),
                              .transfer = static_cast<Transfer>(rng.below(3)),
                              .first_token = static_cast<FirstToken>(rng.below(3)),
                              .overhead = Duration(test::between(rng, 0, 100'000))};
    if (cluster.store.pcie_bytes_per_second == 0) {
      cluster.store.pcie_bytes_per_second = 1e6;
      cluster.store.nic_bytes_per_second = 64 * std::exp2(static_cast<double>(rng.below(18)));
    }
    if (rng.chance(0.4))
      cluster.store.link_failures = {{"node0", "switch", for_ms(test::between(rng, 1, 400)),
                                      for_ms(test::between(rng, 1, 200))}};
    const Result a = run(trace, cluster), b = run(trace, cluster);
    REQUIRE(a.requests.size() == b.requests.size());
    for (std::size_t i = 0; i < a.requests.size(); ++i) {
      const RequestResult &x = a.requests[i], &y = b.requests[i];
      CHECK((x.first_token == y.first_token && x.end == y.end && x.outcome == y.outcome));
      const TransferResult& transfer = a.transfers[i];
      CHECK(transfer.bytes == b.transfers[i].bytes);
      if (x.outcome == Outcome::kFinished) {
        CHECK(x.output_tokens > 0);
        CHECK(x.first_token >= x.arrival);
        CHECK(x.end >= x.first_token);
      }
      CHECK(transfer.wait_ns <= x.stage_ns[static_cast<std::size_t>(Stage::kRetrieval)]);
      moved += transfer.bytes > 0;
      local += transfer.local != TransferResult::Local::kNo;
      cancelled += x.outcome == Outcome::kCancelled || x.outcome == Outcome::kTimedOut;
      preempted += x.preemptions > 0;
    }
  }
  CHECK(moved > 5'000);
  CHECK(local > 1'000);
  CHECK(cancelled > 500);
  CHECK(preempted > 100);
}

TEST_CASE("what is wrong with roles is said with its key", "[sim][disaggregation]") {
  using Catch::Contains;
  const auto error = [](const std::string& yaml) {
    proto::ClusterConfig config;
    if (const auto read = read_yaml_text(yaml, "c.yaml", config); !read)
      return read.error().message;
    const auto cluster = resolve_cluster(config);
    return cluster ? std::string("no error") : cluster.error().message;
  };
  const auto two = [&](const std::string& prefill, const std::string& decode,
                       const std::string& rest = "") {
    return error("pools: [{name: p, role: prefill" + prefill + "}, {name: d, role: decode" +
                 decode + "}]\n" + rest);
  };
  CHECK(two("", "") == "no error");
  CHECK(two(", gpu: l40s, tensor_parallel: 2", "") == "no error");
  CHECK_THAT(error("pools: [{role: decode}]"),
             Contains("no pool of llama-3.1-8b has the role prefill"));
  CHECK_THAT(error("pools: [{role: prefill}, {}]"), Contains("has the role decode"));
  CHECK_THAT(two(", model: qwen2.5-32b", ""), Contains("p has the role prefill"));
  CHECK_THAT(two(", cache_dtype: fp8", ""), Contains("cache_dtype differs: 8 bits and 16 bits"));
  CHECK_THAT(two(", engine: {block_tokens: 32}", ""), Contains("engine.block_tokens differs"));
  CHECK_THAT(two(", method: minference", ""), Contains("method differs"));
  CHECK_THAT(two(", model: mamba2-7b", ", model: mamba2-7b"), Contains("recurrent"));
  CHECK_THAT(error("disaggregation: {decider: never}"), Contains("no pool has the role"));
  CHECK_THAT(two("", "", "disaggregation: {transfer: pul}"), Contains("layered"));
  CHECK_THAT(error("pools: [{role: prefil}]"), Contains("prefill"));
}

}  // namespace
}  // namespace scsim::sim
