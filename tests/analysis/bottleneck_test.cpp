#include <catch2/catch.hpp>

#include "analysis/summary.h"
#include "tests/analysis/sample_result.h"

namespace scsim::analysis {
namespace {

struct Situation {
  double queued = 0.5;  // share of a request's time
  float waiting = 5, running = 10, used = 0.5F, busy = 0.99F;
  double host = 0.1, memory = 0.5, compute = 0.2;  // of an engine's busy time, and of the peaks
};

Result in(const Situation& s) {
  Result result;
  result.timeline_bin = Duration(1000000000);
  for (int i = 0; i <= 100; ++i)
    result.requests.push_back(
        finished_request(i, i + 10 * s.queued, i + 10 * s.queued + 0.1, i + 10, 10));
  result.end = at(110);
  EngineResult& engine = result.engines.emplace_back();
  engine.pool = "main";
  const auto run = static_cast<double>(result.end.ns());
  engine.stage_ns[static_cast<std::size_t>(Stage::kOther)] =
      static_cast<std::int64_t>(run * s.host);
  engine.stage_ns[static_cast<std::size_t>(Stage::kDecode)] =
      static_cast<std::int64_t>(run * (1 - s.host));
  engine.peak_hbm_bytes_per_second = 4e12;
  engine.peak_flops_per_second = 1e15;
  engine.hbm_bytes = s.memory * 4e12 * run * 1e-9;
  engine.flops = s.compute * 1e15 * run * 1e-9;
  EngineTimeline& t = engine.timeline;
  t.waiting.assign(110, s.waiting);
  t.running.assign(110, s.running);
  t.used_blocks.assign(110, s.used);
  t.cached_blocks.assign(110, 0);
  t.busy.assign(110, s.busy);
  return result;
}

Bottleneck found(const Result& result) { return summarise(result, {}).bottleneck.what; }

}  // namespace

TEST_CASE("idle engines and no queue leave no bottleneck", "[analysis][bottleneck]") {
  CHECK(found(in({.queued = 0.05, .busy = 0.2F})) == Bottleneck::kNone);
}

TEST_CASE("the largest share of busy time or peak bounds the steps", "[analysis][bottleneck]") {
  CHECK(found(in({.memory = 0.7, .compute = 0.4})) == Bottleneck::kMemoryBandwidth);
  CHECK(found(in({.memory = 0.3, .compute = 0.6})) == Bottleneck::kCompute);
  CHECK(found(in({.host = 0.6, .memory = 0.3})) == Bottleneck::kHostOverhead);
  CHECK(found(in({.host = 0.1, .memory = 0.2, .compute = 0.1})) == Bottleneck::kUnknown);
  // Without a queue the question is the same once engines are busy.
  CHECK(found(in({.queued = 0.05, .memory = 0.7})) == Bottleneck::kMemoryBandwidth);
}

TEST_CASE("waiting while the blocks are full is for KV capacity", "[analysis][bottleneck]") {
  CHECK(found(in({.used = 0.95F})) == Bottleneck::kCacheCapacity);
}

TEST_CASE("many preemptions are for want of KV capacity", "[analysis][bottleneck]") {
  Result result = in({.queued = 0.05});
  for (std::size_t i = 0; i < result.requests.size(); i += 10) result.requests[i].preemptions = 1;
  CHECK(found(result) == Bottleneck::kCacheCapacity);
}

TEST_CASE("waiting while as many run as may is for the sequence limit", "[analysis][bottleneck]") {
  Result result = in({});
  CHECK(found(result) == Bottleneck::kMemoryBandwidth);  // no limit known
  result.engines[0].max_sequences = 10;
  CHECK(found(result) == Bottleneck::kSequenceLimit);
  result.engines[0].max_sequences = 20;
  CHECK(found(result) == Bottleneck::kMemoryBandwidth);
}

TEST_CASE("where each request pays for itself, a larger batch is no cure",
          "[analysis][bottleneck]") {
  Result result = in({.used = 0.99F, .memory = 0.2, .compute = 0.6});
  CHECK(found(result) == Bottleneck::kCacheCapacity);
  auto& stages = result.engines[0].stage_ns;
  std::swap(stages[static_cast<std::size_t>(Stage::kDecode)],
            stages[static_cast<std::size_t>(Stage::kGeneration)]);
  CHECK(found(result) == Bottleneck::kCompute);
  CHECK(summarise(result, {}).bottleneck.sentence.find("a larger batch would share only 10.0 %") !=
        std::string::npos);
}

TEST_CASE("waiting beside an idle neighbour is imbalance", "[analysis][bottleneck]") {
  Result result = in({});
  EngineResult idle = result.engines[0];
  idle.timeline.waiting.assign(110, 0);
  idle.timeline.busy.assign(110, 0.1F);
  result.engines.push_back(idle);
  CHECK(found(result) == Bottleneck::kImbalance);
  result.engines[1].pool = "other";
  CHECK(found(result) != Bottleneck::kImbalance);
}

TEST_CASE("the sentence carries the numbers that decided", "[analysis][bottleneck]") {
  const Summary summary = summarise(in({.memory = 0.7, .compute = 0.4}), {});
  CHECK(summary.bottleneck.sentence.find("70.0 % of peak HBM bandwidth") != std::string::npos);
  CHECK(summary.bottleneck.sentence.find("50.0 % of their time waiting") != std::string::npos);
}

}  // namespace scsim::analysis
