#include "sim/timeline.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "tests/sim/written_out.h"

namespace scsim::sim {
namespace {

using test::between;

// The value at each nanosecond, and means of it over equal bins.
struct EachNanosecond {
  std::vector<double> values;
  void advance(TimePoint now, double value) {
    values.resize(static_cast<std::size_t>(std::max(now.ns(), std::int64_t{0})), value);
  }
  std::vector<double> means(std::int64_t width) const {
    std::vector<double> all;
    for (std::size_t begin = 0; begin < values.size(); begin += static_cast<std::size_t>(width)) {
      const std::size_t end = std::min(begin + static_cast<std::size_t>(width), values.size());
      double sum = 0;
      for (std::size_t t = begin; t < end; ++t) sum += values[t];
      all.push_back(sum / static_cast<double>(end - begin));
    }
    return all;
  }
};

// Whole values and at most 2^20 ns: every sum is exact, so the means are equal but for the float.
TEST_CASE("a timeline's bins hold the means of the quantity, however often they were halved",
          "[sim][timeline]") {
  for (std::uint64_t trial = 0; trial < 60; ++trial) {
    Rng rng(trial, "test.timeline");
    const std::size_t bins = 1 + rng.below(9);
    const std::int64_t width = between(rng, 1, 50);
    Timeline<2> timeline(bins, Duration(width));
    EachNanosecond first, second;
    TimePoint now;
    const std::int64_t steps = between(rng, 1, 60);
    for (std::int64_t i = 0; i < steps; ++i) {
      now = now + Duration(rng.chance(0.1) ? between(rng, 0, 5000) : between(rng, 0, 30));
      const double a = static_cast<double>(between(rng, 0, 9)),
                   b = static_cast<double>(between(rng, 0, 100));
      timeline.advance(now, {a, b});
      first.advance(now, a);
      second.advance(now, b);
    }
    if (rng.chance(0.5)) timeline.widen(Duration(width * (std::int64_t{1} << rng.below(12))));
    CAPTURE(trial, bins, width, now.ns());
    const auto compare = [&](std::size_t series, const EachNanosecond& oracle) {
      const std::vector<float> means = timeline.means(series, now);
      const std::vector<double> expected = oracle.means(timeline.width().ns());
      REQUIRE(means.size() == expected.size());
      for (std::size_t i = 0; i < means.size(); ++i)
        REQUIRE(means[i] == static_cast<float>(expected[i]));
    };
    compare(0, first);
    compare(1, second);
  }
}

TEST_CASE("bins are halved only when the run outgrows them", "[sim][timeline]") {
  Timeline<1> timeline(4, Duration(10));
  timeline.advance(TimePoint(40), {1.0});
  CHECK(timeline.width() == Duration(10));
  timeline.advance(TimePoint(41), {1.0});
  CHECK(timeline.width() == Duration(20));
  timeline.widen(Duration(80));
  CHECK(timeline.width() == Duration(80));
  CHECK(timeline.means(0, TimePoint(41)) == std::vector<float>{1.0f});
}

TEST_CASE("after the last change a quantity is taken to be nothing", "[sim][timeline]") {
  Timeline<1> timeline(2, Duration(10));
  timeline.advance(TimePoint(5), {4.0});
  CHECK(timeline.means(0, TimePoint(40)) == std::vector<float>{2.0f, 0.0f, 0.0f, 0.0f});
}

}  // namespace
}  // namespace scsim::sim
