#include "exec/api/stage_clock.h"

#include <catch2/catch.hpp>
#include <chrono>
#include <cmath>
#include <ctime>
#include <functional>
#include <thread>
#include <utility>

#include "exec/api/cpu_timeline.h"
#include "exec/api/measure.h"
#include "tests/exec/api/measured.h"
#include "traces/rng.h"

namespace scsim::exec {
namespace {

// Each mark is a second behind the one before.
class CountingTimeline : public Timeline {
 public:
  std::size_t mark() override { return next_++; }
  double seconds(std::size_t from, std::size_t to) override {
    return static_cast<double>(to - from);
  }
  void clear() override { next_ = 0; }

 private:
  std::size_t next_ = 0;
};

double of(const StageTimes& times, Stage stage) {
  return times.seconds[static_cast<std::size_t>(stage)];
}

}  // namespace

TEST_CASE("CPU time passes while the process computes, not while it sleeps", "[exec][api]") {
  const std::unique_ptr<Timeline> one = cpu_timeline(1), two = cpu_timeline(2);
  const auto mark = [&] { return std::pair(one->mark(), two->mark()); };
  const auto begin = mark();
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  const auto slept = mark();
  const std::clock_t from = std::clock();  // the process's CPU time too
  double sum = 0;
  while (std::clock() - from < CLOCKS_PER_SEC / 5) sum += std::sqrt(sum + 1);
  const auto computed = mark();
  CHECK(sum > 0);
  CHECK(one->seconds(begin.first, slept.first) < 0.1);
  CHECK(one->seconds(slept.first, computed.first) == Approx(0.2).epsilon(0.2));
  CHECK(two->seconds(slept.second, computed.second) == Approx(0.1).epsilon(0.2));
  CHECK(cpu_clock_description(1) == "process CPU time of 1 thread");
}

TEST_CASE("a stage inside another is not counted as the outer one", "[exec][api]") {
  CountingTimeline timeline;
  StageClock clock(timeline);
  clock.start();  // 0
  {
    const StageScope prefill(clock, Stage::kGeneration);     // 1
    { const StageScope inner(clock, Stage::kCompression); }  // 2 to 3
    { const StageScope inner(clock, Stage::kCompression); }  // 4 to 5
  }                                                          // 6
  const StageTimes times = clock.stop();                     // 7
  CHECK(of(times, Stage::kOther) == 2);                      // 0 to 1, 6 to 7
  CHECK(of(times, Stage::kGeneration) == 3);                 // 1 to 2, 3 to 4, 5 to 6
  CHECK(of(times, Stage::kCompression) == 2);
  CHECK(times.total == 7);
  CHECK(times.entries[static_cast<std::size_t>(Stage::kCompression)] == 2);
  CHECK(times.entries[static_cast<std::size_t>(Stage::kGeneration)] == 1);
}

TEST_CASE("times of stages add up to the total, however they are nested", "[exec][api]") {
  for (std::uint64_t draw = 0; draw < 50; ++draw) {
    Rng rng(3, "tests.stage_clock", draw);
    CountingTimeline timeline;
    StageClock clock(timeline);
    clock.start();
    std::size_t scopes = 0;
    const std::function<void(int)> nest = [&](int depth) {
      for (std::uint64_t i = rng.below(4); i > 0; --i) {
        const StageScope scope(clock, static_cast<Stage>(rng.below(kNumStages)));
        ++scopes;
        if (depth < 5) nest(depth + 1);
      }
    };
    nest(0);
    const StageTimes times = clock.stop();
    double sum = 0;
    for (const double seconds : times.seconds) sum += seconds;
    CHECK(times.total == sum);
    CHECK(times.total == static_cast<double>(2 * scopes + 1));  // one second between two marks
  }
}

TEST_CASE("the wall's timeline measures what passed, and the clock starts again from nothing",
          "[exec][api]") {
  const std::unique_ptr<Timeline> timeline = wall_timeline();
  StageClock clock(*timeline);
  for (int round = 0; round < 2; ++round) {
    const auto before = std::chrono::steady_clock::now();
    clock.start();
    CHECK(clock.running());
    {
      const StageScope scope(clock, Stage::kDecode);
      while (std::chrono::steady_clock::now() - before < std::chrono::milliseconds(5)) {
      }
    }
    const StageTimes times = clock.stop();
    const std::chrono::duration<double> outside = std::chrono::steady_clock::now() - before;
    CHECK(of(times, Stage::kDecode) > 0.004);
    CHECK(times.total <= outside.count());
    CHECK(times.entries[static_cast<std::size_t>(Stage::kDecode)] == 1);
    CHECK(!clock.running());
  }
}

TEST_CASE("a measured stage counts to itself and gives way to the one around it", "[exec][api]") {
  test::Measured measured;
  {
    const MeasuredStage outer(measured.measure, Stage::kGeneration);
    measured.measure.now().tokens += 5;
    {
      const MeasuredStage inner(measured.measure, Stage::kCompression);
      measured.measure.now().bytes_freed += 7;
    }
    measured.measure.now().tokens += 1;
  }
  CHECK(measured.measure.stage == Stage::kOther);
  CHECK(measured.of(Stage::kGeneration).tokens == 6);
  CHECK(measured.of(Stage::kCompression).bytes_freed == 7);
  StageCounts sum = measured.of(Stage::kGeneration);
  sum.peak_bytes = 3;
  StageCounts other = measured.of(Stage::kCompression);
  other.peak_bytes = 9;
  sum += other;
  CHECK(sum.tokens == 6);
  CHECK(sum.bytes_freed == 7);
  CHECK(sum.peak_bytes == 9);
}

}  // namespace scsim::exec
