#include <algorithm>
#include <catch2/catch.hpp>

#include "analysis/summary.h"
#include "tests/analysis/sample_result.h"

namespace scsim::analysis {
namespace {

// One engine over 100 s in bins of a second with one arrival every 0.1 s; what waits and runs in
// second i is said by functions of i.
template <class Waiting, class Running>
Result synthetic(const Waiting& waiting, const Running& running, double drain = 1) {
  Result result;
  result.timeline_bin = Duration(1000000000);
  for (int i = 0; i <= 1000; ++i) {
    const double t = 0.1 * i;
    result.requests.push_back(finished_request(t, t, t + 0.5, t + 1, 10));
  }
  result.end = at(100 + drain);
  EngineResult& engine = result.engines.emplace_back();
  engine.pool = "main";
  for (int i = 0; i < 100; ++i) {
    engine.timeline.waiting.push_back(static_cast<float>(waiting(i)));
    engine.timeline.running.push_back(static_cast<float>(running(i)));
    engine.timeline.busy.push_back(0.5F);
    engine.timeline.used_blocks.push_back(0.3F);
    engine.timeline.cached_blocks.push_back(0.3F);
  }
  return result;
}

double constant_running(int) { return 10; }

}  // namespace

TEST_CASE("a queue that neither grows nor lasts is stable", "[analysis][verdict]") {
  const Summary summary =
      summarise(synthetic([](int i) { return i % 7 == 0 ? 4.0 : 0.5; }, constant_running), {});
  CHECK(summary.verdict.load == Load::kStable);
  CHECK_FALSE(summary.verdict.near_saturation);
}

TEST_CASE("a queue that grows with the arrivals is overloaded", "[analysis][verdict]") {
  // 10 arrive and 9 leave a second: the queue grows by 1 a second, 10 % of the arrivals.
  const Summary summary =
      summarise(synthetic([](int i) { return 1.0 * i; }, constant_running, 11), {});
  CHECK(summary.verdict.load == Load::kOverloaded);
  CHECK(summary.verdict.queue_rise == Approx(90).margin(1.5));
  CHECK(summary.verdict.sentence.find("10.0 %") != std::string::npos);
}

TEST_CASE("growth within the noise is not overload", "[analysis][verdict]") {
  const Summary summary = summarise(
      synthetic([](int i) { return 0.15 * i + (i % 10 < 5 ? 0.0 : 20.0); }, constant_running), {});
  CHECK(summary.verdict.load != Load::kOverloaded);
}

TEST_CASE("the verdict does not depend on how finely a run was recorded", "[analysis][verdict]") {
  Result result = synthetic([](int i) { return 1.0 * i; }, constant_running, 11);
  const double rise = summarise(result, {}).verdict.queue_rise;
  // Thirty bins a second, the queue flickering between none and twice its length.
  const EngineTimeline coarse = result.engines[0].timeline;
  EngineTimeline& fine = result.engines[0].timeline;
  fine = {};
  for (int i = 0; i < 3000; ++i) {
    const auto second = static_cast<std::size_t>(i / 30);
    fine.waiting.push_back(i % 2 == 0 ? 0.0F : 2 * coarse.waiting[second]);
    fine.running.push_back(coarse.running[second]);
    fine.busy.push_back(coarse.busy[second]);
    fine.used_blocks.push_back(coarse.used_blocks[second]);
    fine.cached_blocks.push_back(coarse.cached_blocks[second]);
  }
  result.timeline_bin = Duration(1000000000 / 30);
  const Verdict verdict = summarise(result, {}).verdict;
  CHECK(verdict.load == Load::kOverloaded);
  CHECK(verdict.queue_rise == Approx(rise).epsilon(0.05));
}

TEST_CASE("a long queue that does not grow is backlogged", "[analysis][verdict]") {
  const Summary summary = summarise(synthetic([](int) { return 30.0; }, constant_running), {});
  CHECK(summary.verdict.load == Load::kBacklogged);
}

TEST_CASE("a drain far longer than a request is backlogged", "[analysis][verdict]") {
  const Summary summary = summarise(synthetic([](int) { return 1.0; }, constant_running, 30), {});
  CHECK(summary.verdict.load == Load::kBacklogged);
  CHECK(summary.verdict.drain == Approx(30));
}

TEST_CASE("a queue kept short by time-outs is overloaded", "[analysis][verdict]") {
  Result result = synthetic([](int) { return 1.0; }, constant_running);
  for (std::size_t i = 0; i < result.requests.size(); i += 10)
    result.requests[i].outcome = Outcome::kTimedOut;
  CHECK(summarise(result, {}).verdict.load == Load::kOverloaded);
}

TEST_CASE("requests left unfinished are a backlog", "[analysis][verdict]") {
  Result result = synthetic([](int) { return 1.0; }, constant_running);
  result.requests.back().outcome = Outcome::kUnfinished;
  CHECK(summarise(result, {}).verdict.load == Load::kBacklogged);
}

TEST_CASE("busy engines with a standing queue are near saturation", "[analysis][verdict]") {
  Result result = synthetic([](int) { return 2.0; }, constant_running);
  CHECK_FALSE(summarise(result, {}).verdict.near_saturation);
  result.engines[0].timeline.busy.assign(100, 0.97F);
  const Summary summary = summarise(result, {});
  CHECK(summary.verdict.load == Load::kStable);
  CHECK(summary.verdict.near_saturation);
  CHECK(std::ranges::any_of(summary.honesty, [](const std::string& line) {
    return line.find("point estimates mean little") != std::string::npos;
  }));
}

TEST_CASE("the worst pool gives the verdict and is named", "[analysis][verdict]") {
  Result result = synthetic([](int) { return 0.0; }, constant_running);
  result.engines.push_back(result.engines[0]);
  result.engines[1].pool = "large";
  for (int i = 0; i < 100; ++i)
    result.engines[1].timeline.waiting[static_cast<std::size_t>(i)] = static_cast<float>(i);
  for (std::size_t i = 0; i < result.requests.size(); i += 2) result.requests[i].engine = 1;
  const Summary summary = summarise(result, {});
  CHECK(summary.verdict.load == Load::kOverloaded);
  CHECK(summary.verdict.sentence.starts_with("pool large: "));
}

TEST_CASE("an offline batch and a run without a timeline are not judged", "[analysis][verdict]") {
  Result result = synthetic([](int i) { return 1.0 * i; }, constant_running);
  result.engines[0].timeline = {};
  CHECK(summarise(result, {}).verdict.load == Load::kNotJudged);
  Result batch;
  for (int i = 0; i < 10; ++i) batch.requests.push_back(finished_request(0, i, i + 1, i + 2, 5));
  batch.end = at(11);
  CHECK(summarise(batch, {}).verdict.load == Load::kNotJudged);
}

TEST_CASE("the toy queue is stable below its capacity and overloaded above",
          "[analysis][verdict]") {
  // 2 engines of 8 places; a request holds a place for about 120 * 0.021 + 0.2 s: 5.8 a second.
  CHECK(summarise(sample_result({.per_second = 3}), {}).verdict.load == Load::kStable);
  CHECK(summarise(sample_result({.per_second = 9}), {}).verdict.load == Load::kOverloaded);
}

}  // namespace scsim::analysis
