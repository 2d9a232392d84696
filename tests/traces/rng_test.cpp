#include "traces/rng.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <functional>
#include <set>
#include <vector>

namespace scsim {
namespace {

constexpr int kDraws = 200'000;

struct Moments {
  double mean = 0, variance = 0;
};

Moments moments_of(const std::function<double()>& draw) {
  Moments moments;
  for (int n = 1; n <= kDraws; ++n) {  // Welford's update
    const double value = draw();
    const double step = value - moments.mean;
    moments.mean += step / n;
    moments.variance += step * (value - moments.mean);
  }
  moments.variance /= kDraws - 1;
  return moments;
}

// Sum over cells of (found - expected)^2 / expected: about the number of cells less one, with a
// deviation of about the root of twice that.
double chi_square(const std::vector<double>& found, const std::vector<double>& expected) {
  double sum = 0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    sum += (found[i] - expected[i]) * (found[i] - expected[i]) / expected[i];
  }
  return sum;
}

void check_chi_square(double found, std::size_t cells) {
  const double freedom = static_cast<double>(cells - 1);
  CHECK(found < freedom + 5 * std::sqrt(2 * freedom));
}

// The mean of n draws is within five of its standard errors of the expected one.
void check_moments(const Moments& found, double mean, double variance, double variance_tolerance) {
  CHECK(std::fabs(found.mean - mean) < 5 * std::sqrt(variance / kDraws));
  CHECK(found.variance == Approx(variance).epsilon(variance_tolerance));
}

}  // namespace

TEST_CASE("a stream depends on seed, purpose and number, and on nothing else", "[traces][rng]") {
  std::set<std::uint64_t> first;
  for (const std::uint64_t seed : {0u, 1u, 2u}) {
    for (const std::string_view purpose : {"", "a", "b", "ab"}) {
      for (const std::uint64_t number : {0u, 1u, 2u}) {
        Rng once(seed, purpose, number), again(seed, purpose, number);
        const std::uint64_t value = once.next();
        CHECK(again.next() == value);
        first.insert(value);
      }
    }
  }
  CHECK(first.size() == 3 * 4 * 3);
  // The same on every machine and in every later version: traces are made again from their recipe.
  Rng known(42, "traces.arrivals", 7);
  CHECK(known.next() == 18176219307220898631u);
}

TEST_CASE("neighbouring streams have nothing in common", "[traces][rng]") {
  // The bits in which two streams differ are half of them, give or take five deviations.
  for (std::uint64_t number = 0; number < 50; ++number) {
    Rng a(1, "x", number), b(1, "x", number + 1), c(2, "x", number);
    int ab = 0, ac = 0;
    for (int i = 0; i < 1000; ++i) {
      const std::uint64_t bits = a.next();
      ab += __builtin_popcountll(bits ^ b.next());
      ac += __builtin_popcountll(bits ^ c.next());
    }
    CHECK(std::abs(ab - 32000) < 5 * 127);
    CHECK(std::abs(ac - 32000) < 5 * 127);
  }
}

TEST_CASE("uniform numbers fill their range evenly", "[traces][rng]") {
  Rng rng(1, "tests.uniform");
  std::vector<double> cells(100);
  for (int i = 0; i < kDraws; ++i) {
    const double value = rng.uniform();
    REQUIRE((value >= 0 && value < 1));
    ++cells[static_cast<std::size_t>(value * 100)];
  }
  check_chi_square(chi_square(cells, std::vector<double>(100, kDraws / 100.0)), 100);
  check_moments(moments_of([&] { return rng.uniform(-2, 4); }), 1, 3, 0.02);
}

TEST_CASE("below gives each outcome equally often", "[traces][rng]") {
  Rng rng(2, "tests.below");
  for (const std::uint64_t n : {1u, 2u, 3u, 7u, 100u}) {
    std::vector<double> cells(n);
    for (int i = 0; i < kDraws; ++i) ++cells[rng.below(n)];
    const double each = kDraws / static_cast<double>(n);
    if (n > 1) check_chi_square(chi_square(cells, std::vector<double>(n, each)), n);
  }
  const std::uint64_t large = (std::uint64_t{1} << 63) + 1;
  for (int i = 0; i < 1000; ++i) REQUIRE(rng.below(large) < large);
}

TEST_CASE("the distributions have the moments of their formulas", "[traces][rng]") {
  Rng rng(3, "tests.moments");
  check_moments(moments_of([&] { return rng.exponential(2.5); }), 2.5, 6.25, 0.05);
  check_moments(moments_of([&] { return rng.normal(); }), 0, 1, 0.02);
  for (const double shape : {0.1, 0.5, 1.0, 3.7, 50.0}) {
    CAPTURE(shape);
    check_moments(moments_of([&] { return rng.gamma(shape, 2); }), 2 * shape, 4 * shape, 0.1);
  }
  for (const double shape : {0.7, 1.0, 2.0}) {
    CAPTURE(shape);
    const double mean = std::tgamma(1 + 1 / shape);
    const double variance = std::tgamma(1 + 2 / shape) - mean * mean;
    check_moments(moments_of([&] { return rng.weibull(shape, 1); }), mean, variance, 0.1);
  }
  const double sigma = 0.5;
  const double mean = 3 * std::exp(sigma * sigma / 2);
  const double variance = mean * mean * (std::exp(sigma * sigma) - 1);
  check_moments(moments_of([&] { return rng.lognormal(3, sigma); }), mean, variance, 0.05);
}

TEST_CASE("the normal distribution has the shape of its formula", "[traces][rng]") {
  Rng rng(4, "tests.normal");
  std::vector<double> found(40), expected(40);
  const auto below = [](double x) { return 0.5 * std::erfc(-x / std::sqrt(2.0)); };
  for (std::size_t i = 0; i < found.size(); ++i) {
    const double low = -3 + 0.15 * static_cast<double>(i);
    const double from = i == 0 ? 0 : below(low);
    const double to = i + 1 == found.size() ? 1 : below(low + 0.15);
    expected[i] = kDraws * (to - from);
  }
  for (int i = 0; i < kDraws; ++i) {
    const double cell = std::floor((rng.normal() + 3) / 0.15);
    ++found[static_cast<std::size_t>(std::clamp(cell, 0.0, 39.0))];
  }
  check_chi_square(chi_square(found, expected), found.size());
}

TEST_CASE("weighted choices and chances come as often as they should", "[traces][rng]") {
  Rng rng(5, "tests.weighted");
  const std::vector<double> weights = {0, 1, 0, 2, 7, 0};
  std::vector<double> found(weights.size());
  for (int i = 0; i < kDraws; ++i) ++found[rng.weighted(weights)];
  CHECK(found[0] + found[2] + found[5] == 0);
  check_chi_square(
      chi_square({found[1], found[3], found[4]}, {kDraws * 0.1, kDraws * 0.2, kDraws * 0.7}), 3);
  int heads = 0;
  for (int i = 0; i < kDraws; ++i) heads += rng.chance(0.3);
  CHECK(std::fabs(heads - 0.3 * kDraws) < 5 * std::sqrt(0.21 * kDraws));
  CHECK_FALSE(rng.chance(0));
  CHECK(rng.chance(1));
}

TEST_CASE("zipf ranks come in proportion to a power of the rank", "[traces][rng]") {
  Rng rng(6, "tests.zipf");
  for (const double exponent : {0.0, 0.8, 1.2}) {
    const Zipf zipf(50, exponent);
    std::vector<double> found(50), expected(50);
    double sum = 0;
    for (int rank = 1; rank <= 50; ++rank) sum += std::pow(rank, -exponent);
    for (std::size_t rank = 0; rank < 50; ++rank) {
      expected[rank] = kDraws * std::pow(static_cast<double>(rank + 1), -exponent) / sum;
    }
    for (int i = 0; i < kDraws; ++i) ++found[zipf.draw(rng)];
    CAPTURE(exponent);
    check_chi_square(chi_square(found, expected), 50);
  }
  CHECK(Zipf(1, 1).draw(rng) == 0);
}

}  // namespace scsim
