// INV-MONOTONE on cases where it can be proved. (In general it is false of each request: with more
// memory a batch is larger and its steps take longer.)
#include <catch2/catch.hpp>

#include "sim/cluster.h"
#include "tests/sim/small_cluster.h"
#include "tests/support/trace_files.h"
#include "traces/proto/cluster.pb.h"

namespace scsim::sim {
namespace {

using test::LinearCost;
using test::SmallTrace;

void require_no_later(const Result& better, const Result& worse) {
  for (std::uint64_t id = 0; id < worse.requests.size(); ++id) {
    const RequestResult &x = test::result_of(better, id), &y = test::result_of(worse, id);
    REQUIRE(y.outcome == Outcome::kFinished);
    REQUIRE(x.outcome == Outcome::kFinished);
    REQUIRE(x.end <= y.end);
    REQUIRE(x.first_token <= y.first_token);
  }
}

SmallTrace random_arrivals(Rng& rng, std::int64_t grid_ns) {
  SmallTrace trace;
  std::int64_t now = 0;
  for (int i = 0; i < 60; ++i) {
    now += test::between(rng, 0, 6) * grid_ns;
    trace.ask(TimePoint(now), test::between(rng, 1, 60), test::between(rng, 1, 30));
  }
  return trace;
}

// One request at a time is a queue with one server: a request starts when it has arrived and the
// one before has ended, so by induction no end moves back when no service gets longer. All terms
// are whole nanoseconds, so nothing is rounded.
TEST_CASE("served one at a time, nobody ends later on a faster engine", "[sim][law]") {
  EngineKnobs knobs;
  knobs.max_sequences = 1;
  knobs.max_batched_tokens = 25;
  const LinearCost slow = {.step = 1e-3,
                           .prefill_token = 4e-6,
                           .prefill_pair = 2e-7,
                           .decode_sequence = 2e-5,
                           .context_token = 2e-6};
  std::vector<LinearCost> faster(5, slow);
  faster[0].step /= 2;
  faster[1].prefill_token /= 2;
  faster[2].prefill_pair /= 2;
  faster[3].decode_sequence /= 2;
  faster[4].context_token /= 2;
  for (std::uint64_t trial = 0; trial < 5; ++trial) {
    Rng rng(trial, "test.monotone.single");
    const SmallTrace trace = random_arrivals(rng, 2'345'678);
    const Result worse = test::run(trace, test::small_cluster(slow, knobs, 100));
    for (const LinearCost& cost : faster)
      require_no_later(test::run(trace, test::small_cluster(cost, knobs, 100)), worse);
  }
}

// Every step takes the same time, arrivals fall on its multiples, a prompt fits into one step, and
// admission keeps room for the whole answer, so a request holds its place for as many steps as its
// answer has tokens, whoever else runs. Suppose all before request i are admitted no later than in
// the run with less room. Then whoever of them still runs when the other run admits i also still
// runs there, so there is room for i here: it is admitted no later. With half the step time the
// same holds in time, as every multiple of the step is one of its half.
TEST_CASE("with more blocks, more sequences or shorter steps nobody ends later", "[sim][law]") {
  EngineKnobs knobs;
  knobs.block_tokens = 4;
  knobs.max_batched_tokens = 100'000;
  knobs.max_sequences = 3;
  knobs.reserve_output = 1;
  knobs.prefix_caching = false;
  const LinearCost cost = {.step = 1e-3}, half = {.step = 5e-4};
  bool more_blocks_help = false, more_sequences_help = false;
  for (std::uint64_t trial = 0; trial < 10; ++trial) {
    Rng rng(trial, "test.monotone.blocks");
    const SmallTrace trace = random_arrivals(rng, 1'000'000);
    const std::int64_t blocks = test::between(rng, 30, 60);
    const Result worse = test::run(trace, test::small_cluster(cost, knobs, blocks));
    const auto better = [&](const LinearCost& step, std::int64_t extra, std::int64_t sequences) {
      EngineKnobs more = knobs;
      more.max_sequences = sequences;
      Result result = test::run(trace, test::small_cluster(step, more, blocks + extra));
      require_no_later(result, worse);
      return result.end < worse.end;
    };
    more_blocks_help |= better(cost, 1, 3);
    more_blocks_help |= better(cost, 20, 3);
    more_sequences_help |= better(cost, 0, 4);
    better(cost, 1000, 1000);
    better(half, 0, 3);
    REQUIRE(worse.engines[0].preemptions == 0);
  }
  CHECK(more_blocks_help);
  CHECK(more_sequences_help);
}

TimePoint alone_on(const Cluster& cluster, std::int64_t prompt, std::int64_t output) {
  SmallTrace trace;
  trace.ask(TimePoint(0), prompt, output);
  return test::run(trace, cluster).requests[0].end;
}

Cluster one_gpu(const std::string& name) {
  proto::ClusterConfig config;
  config.add_pools()->set_gpu(name);
  config.mutable_pools(0)->set_gpus(1);
  auto cluster = resolve_cluster(config);
  if (!cluster) FAIL(cluster.error().message);
  return std::move(*cluster);
}

// Alone, a request's steps are the same on every GPU; each has as much to compute and to read.
TEST_CASE("a request alone ends no later on a GPU that has more of everything", "[sim][law]") {
  const Cluster a100 = one_gpu("a100"), h100 = one_gpu("h100"), h200 = one_gpu("h200"),
                b200 = one_gpu("b200");
  for (const std::int64_t prompt : {1, 1000, 30'000}) {
    for (const std::int64_t output : {1, 2, 500}) {
      CHECK(alone_on(h100, prompt, output) <= alone_on(a100, prompt, output));
      CHECK(alone_on(h200, prompt, output) <= alone_on(h100, prompt, output));
      CHECK(alone_on(b200, prompt, output) <= alone_on(h200, prompt, output));
    }
  }
}

// Fewer tokens are fewer steps, or smaller ones.
TEST_CASE("a request alone ends no later with fewer tokens", "[sim][law]") {
  const Cluster cluster = one_gpu("h100");
  for (const std::int64_t prompt : {1, 15, 16, 17, 8191, 8192, 8193, 20'000}) {
    TimePoint before;
    for (const std::int64_t output : {1, 2, 3, 16, 17, 100, 101}) {
      const TimePoint end = alone_on(cluster, prompt, output);
      CHECK(end > before);
      before = end;
    }
    CHECK(alone_on(cluster, prompt, 50) <= alone_on(cluster, prompt + 1, 50));
  }
}

}  // namespace
}  // namespace scsim::sim
