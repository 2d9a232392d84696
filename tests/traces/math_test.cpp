#include "traces/math.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <vector>

#include "traces/rng.h"

namespace scsim {
namespace {

double relative_error(double found, double expected) {
  if (found == expected) return 0;
  return std::fabs(found - expected) / std::fabs(expected);
}

// Points from 1e-300 to 1e300, and many around 1.
std::vector<double> positive_points() {
  std::vector<double> points = {
      1, 2, 0.5, std::sqrt(2.0), std::sqrt(0.5), std::numeric_limits<double>::min()};
  Rng rng(1, "tests.math");
  for (int i = 0; i < 20000; ++i) {
    points.push_back(std::pow(10.0, rng.uniform(-300, 300)));
    points.push_back(rng.uniform(0.5, 2));
    points.push_back(1 + rng.uniform(-1e-6, 1e-6));
  }
  return points;
}

}  // namespace

TEST_CASE("log agrees with the C library", "[traces][math]") {
  double worst = 0;
  for (const double x : positive_points()) {
    worst = std::max(worst, relative_error(stable_log(x), std::log(x)));
  }
  CHECK(worst < 1e-15);
  CHECK(stable_log(1) == 0);
  CHECK(relative_error(stable_log(5e-324), std::log(5e-324)) < 1e-15);
}

TEST_CASE("exp agrees with the C library, and is the inverse of log", "[traces][math]") {
  Rng rng(2, "tests.math");
  double worst = 0;
  for (int i = 0; i < 50000; ++i) {
    const double x = i % 2 == 0 ? rng.uniform(-708, 709.5) : rng.uniform(-2, 2);
    worst = std::max(worst, relative_error(stable_exp(x), std::exp(x)));
  }
  CHECK(worst < 1e-15);
  CHECK(stable_exp(0) == 1);
  CHECK(stable_exp(-1000) == 0);
  CHECK(stable_exp(1000) == std::numeric_limits<double>::infinity());
  CHECK(stable_exp(-std::numeric_limits<double>::infinity()) == 0);
  CHECK(relative_error(stable_exp(stable_log(12345.678)), 12345.678) < 1e-14);
}

TEST_CASE("pow agrees with the C library, large powers too", "[traces][math]") {
  Rng rng(3, "tests.math");
  double worst = 0;
  for (int i = 0; i < 50000; ++i) {
    const double x = std::pow(10.0, rng.uniform(-20, 20));
    const double y = rng.uniform(-14, 14);
    worst = std::max(worst, relative_error(stable_pow(x, y), std::pow(x, y)));
  }
  for (int i = 0; i < 20000; ++i) {  // near 1, to the millions
    const double x = 1 + rng.uniform(-1e-4, 1e-4);
    const double y = rng.uniform(-5e6, 5e6);
    worst = std::max(worst, relative_error(stable_pow(x, y), std::pow(x, y)));
  }
  CHECK(worst < 2e-15);
}

TEST_CASE("pow of the special values is what IEEE 754 says", "[traces][math]") {
  const double infinity = std::numeric_limits<double>::infinity();
  const std::vector<double> values = {0, 0.5, 1, 2, 1e300, infinity};
  const std::vector<double> powers = {-infinity, -1e300, -2, -0.0, 0, 0.5, 1, 3, 1e300, infinity};
  for (const double x : values) {
    for (const double y : powers) {
      CAPTURE(x, y);
      CHECK(relative_error(stable_pow(x, y), std::pow(x, y)) < 1e-15);
    }
  }
}

TEST_CASE("cos agrees with the C library, at its zeros too", "[traces][math]") {
  Rng rng(4, "tests.math");
  double worst = 0;
  for (int i = 0; i < 50000; ++i) {
    const double x = i % 2 == 0 ? rng.uniform(-999999, 999999) : rng.uniform(-7, 7);
    worst = std::max(worst, relative_error(stable_cos(x), std::cos(x)));
  }
  for (int k = -6000; k < 6000; ++k) {
    const double x = (k * 100 + 1) * std::acos(0.0);
    worst = std::max(worst, relative_error(stable_cos(x), std::cos(x)));
  }
  CHECK(worst < 1e-14);
  CHECK(stable_cos(0) == 1);
}

TEST_CASE("lgamma agrees with the C library, at its zeros too", "[traces][math]") {
  double worst = 0;
  for (const double x : positive_points()) {
    if (x > 1e290) continue;
    worst = std::max(worst, relative_error(stable_lgamma(x), std::lgamma(x)));
  }
  for (double x = 0.01; x < 40; x += 0.0013) {
    worst = std::max(worst, relative_error(stable_lgamma(x), std::lgamma(x)));
  }
  CHECK(worst < 1e-10);
  CHECK(stable_lgamma(1) == 0);
  CHECK(stable_lgamma(2) == 0);
}

}  // namespace scsim
