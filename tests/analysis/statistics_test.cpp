#include "analysis/statistics.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>

#include "traces/rng.h"

namespace scsim::analysis {
namespace {

std::vector<double> draws(std::size_t n, std::uint64_t seed) {
  Rng rng(seed, "test.draws");
  std::vector<double> values(n);
  for (double& value : values) value = rng.exponential(1);
  return values;
}

// x[i] = phi x[i-1] + noise, around 10: neighbours correlate as phi.
std::vector<double> autoregressive(std::size_t n, double phi, std::uint64_t seed) {
  Rng rng(seed, "test.autoregressive");
  double x = rng.normal() / std::sqrt(1 - phi * phi);
  std::vector<double> values(n);
  for (double& value : values) {
    value = 10 + x;
    x = phi * x + rng.normal();
  }
  return values;
}

// How often the interval of `estimate_of` holds `truth`, over 300 runs.
template <class Make, class Pick>
double coverage(const Make& make, const Pick& estimate_of, double truth) {
  int held = 0;
  std::vector<double> scratch;
  for (std::uint64_t run = 0; run < 300; ++run) {
    const std::vector<double> values = make(run);
    const Distribution distribution = describe(values, scratch);
    const Estimate& estimate = estimate_of(distribution);
    REQUIRE(estimate.interval);
    held += std::abs(estimate.value - truth) <= estimate.interval->half_width ? 1 : 0;
  }
  return held / 300.0;
}

}  // namespace

TEST_CASE("a quantile is that of the sorted values, linear between neighbours", "[analysis]") {
  for (std::size_t n : {1, 2, 3, 10, 101}) {
    const std::vector<double> values = draws(n, n);
    std::vector<double> sorted = values;
    std::ranges::sort(sorted);
    for (double q : {0.0, 0.1, 0.5, 0.9, 0.99, 1.0}) {
      const double position = q * static_cast<double>(n - 1);
      const auto below = static_cast<std::size_t>(position);
      const double above = sorted[std::min(below + 1, n - 1)];
      const double expected =
          sorted[below] + (position - static_cast<double>(below)) * (above - sorted[below]);
      std::vector<double> scratch = values;
      CHECK(quantile(scratch, q) == Approx(expected).epsilon(1e-14));
    }
  }
}

TEST_CASE("too few observations have no interval", "[analysis]") {
  std::vector<double> scratch;
  CHECK(describe({}, scratch).count == 0);
  CHECK_FALSE(describe(draws(79, 1), scratch).mean.interval);
  const Distribution eighty = describe(draws(80, 1), scratch);
  REQUIRE(eighty.mean.interval);
  CHECK(eighty.mean.interval->batches == 8);
  CHECK_FALSE(eighty.p90.interval);  // 5 beyond the p90 of each of 8 batches: 400
  CHECK(describe(draws(400, 1), scratch).p90.interval);
  CHECK_FALSE(describe(draws(3999, 1), scratch).p99.interval);
  CHECK(describe(draws(4000, 1), scratch).p99.interval);
}

TEST_CASE("batch means of known batches give the closed form", "[analysis]") {
  // 32 batches of 10 equal values, alternating 1 and 3: the mean is 2, every batch is 1 away from
  // it, so s^2 = 32 / 31 and the half-width is t * sqrt(s^2 / 32) = 2.0395 / sqrt(31).
  std::vector<double> values;
  for (int b = 0; b < 32; ++b) values.insert(values.end(), 10, b % 2 == 0 ? 1.0 : 3.0);
  const std::optional<Interval> interval = mean_interval(values);
  REQUIRE(interval);
  CHECK(interval->batches == 32);
  CHECK(interval->half_width == Approx(2.0395 / std::sqrt(31.0)).epsilon(1e-12));
}

TEST_CASE("equal observations have an interval of no width", "[analysis]") {
  std::vector<double> scratch;
  const Distribution d = describe(std::vector<double>(5000, 0.25), scratch);
  REQUIRE(d.p99.interval);
  CHECK(d.p99.interval->half_width == 0);
  CHECK(d.mean.interval->half_width == 0);
  CHECK_FALSE(d.mean.interval->correlated);
}

TEST_CASE("neighbours that resemble each other make fewer batches", "[analysis]") {
  std::vector<double> ramp(3200);
  for (std::size_t i = 0; i < ramp.size(); ++i) ramp[i] = static_cast<double>(i);
  const std::optional<Interval> interval = mean_interval(ramp);
  REQUIRE(interval);
  CHECK(interval->batches == 8);
  CHECK(interval->correlated);
}

TEST_CASE("19 of 20 intervals hold the truth when observations are independent", "[analysis]") {
  const auto make = [](std::uint64_t run) { return draws(8000, 1000 + run); };
  const auto mean = [](const Distribution& d) -> const Estimate& { return d.mean; };
  const auto p50 = [](const Distribution& d) -> const Estimate& { return d.p50; };
  const auto p99 = [](const Distribution& d) -> const Estimate& { return d.p99; };
  // 300 runs: the deviation of the share is 1.3 points.
  CHECK(coverage(make, mean, 1.0) == Approx(0.95).margin(0.04));
  CHECK(coverage(make, p50, std::log(2.0)) == Approx(0.95).margin(0.04));
  CHECK(coverage(make, p99, std::log(100.0)) == Approx(0.95).margin(0.05));
}

TEST_CASE("most intervals hold the truth when neighbours correlate", "[analysis]") {
  // The deviation of the mean of n values is sqrt((1 + phi) / (1 - phi)) = 6.2 times that of
  // independent ones at 0.95, so an interval that took them for independent would hold it one time
  // in four.
  const auto make = [](std::uint64_t run) { return autoregressive(8000, 0.95, run); };
  const auto mean = [](const Distribution& d) -> const Estimate& { return d.mean; };
  CHECK(coverage(make, mean, 10.0) > 0.9);
}

TEST_CASE("a trend is the line that made the values", "[analysis]") {
  std::vector<double> line;
  for (int i = 0; i < 50; ++i) line.push_back(3 + 0.5 * i);
  CHECK(fit_trend(line).slope == Approx(0.5));
  CHECK(fit_trend(line).residual_deviation == Approx(0).margin(1e-12));
  for (std::size_t i = 0; i < line.size(); ++i) line[i] += i % 2 == 0 ? 1 : -1;
  CHECK(fit_trend(line).slope == Approx(0.5).margin(0.01));
  CHECK(fit_trend(line).residual_deviation == Approx(1).margin(0.03));
}

}  // namespace scsim::analysis
