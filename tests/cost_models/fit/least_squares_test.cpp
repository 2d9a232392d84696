#include "cost_models/fit/least_squares.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>

#include "traces/rng.h"

namespace scsim::cost_models {
namespace {

// Samples of `truth`, each off by a relative error of standard deviation `noise`.
LeastSquaresProblem draw(const std::vector<double>& truth, int samples, double noise, Rng& rng) {
  LeastSquaresProblem problem;
  for (int i = 0; i < samples; ++i) {
    std::vector<double> row = {1};
    for (std::size_t j = 1; j < truth.size(); ++j) row.push_back(std::exp(rng.uniform(0, 8)));
    double value = 0;
    for (std::size_t j = 0; j < truth.size(); ++j) value += truth[j] * row[j];
    problem.rows.push_back(row);
    problem.values.push_back(value * (1 + noise * rng.normal()));
    problem.groups.push_back(i);
  }
  return problem;
}

TEST_CASE("what made exact samples is found again", "[cost_models][fit]") {
  Rng rng(1, "tests.fit");
  const std::vector<double> truth = {0.05, 1.3e-3, 2e-5};
  const LeastSquaresFit fit = fit_least_squares(draw(truth, 40, 0, rng));
  for (std::size_t i = 0; i < truth.size(); ++i)
    CHECK(fit.coefficients[i] == Approx(truth[i]).epsilon(1e-9));
}

// At the least sum of squares with x >= 0 the slope along a coefficient is zero where it is
// positive, and not downhill where it is zero (Karush, Kuhn and Tucker). Values that have no
// outliers and weigh alike are plain least squares, whose slope can be written down.
TEST_CASE("no coefficient is negative, and none at zero would help", "[cost_models][fit]") {
  Rng rng(2, "tests.fit");
  int at_zero = 0;
  for (int round = 0; round < 60; ++round) {
    LeastSquaresProblem problem;
    problem.smallest = 10;  // all values weigh alike
    for (int i = 0; i < 8; ++i) {
      problem.rows.push_back({rng.uniform(0, 1), rng.uniform(0, 1), rng.uniform(0, 1)});
      problem.values.push_back(rng.uniform(0, 1));
      problem.groups.push_back(i);
    }
    const LeastSquaresFit fit = fit_least_squares(problem);
    // Huber's weights of the final residuals, as the head of the file defines them.
    std::vector<double> sizes;
    for (int i = 0; i < 8; ++i)
      sizes.push_back(std::abs(problem.values[static_cast<std::size_t>(i)] -
                               fit.at(problem.rows[static_cast<std::size_t>(i)])));
    std::vector<double> sorted = sizes;
    std::ranges::sort(sorted);
    const double limit = 1.345 * 1.4826 * sorted[4];
    for (std::size_t j = 0; j < 3; ++j) {
      double slope = 0;
      for (std::size_t i = 0; i < 8; ++i) {
        const double weight = std::min(1.0, limit / std::max(sizes[i], 1e-300));
        slope += weight * problem.rows[i][j] * (problem.values[i] - fit.at(problem.rows[i]));
      }
      CHECK(fit.coefficients[j] >= 0);
      if (fit.coefficients[j] > 0) {
        CHECK(std::abs(slope) < 1e-3);
      } else {
        CHECK(slope < 1e-3);
        CHECK(fit.error(j) == 0);
        ++at_zero;
      }
    }
  }
  CHECK(at_zero > 10);  // it did happen
}

TEST_CASE("some samples that are ten times too slow change little", "[cost_models][fit]") {
  Rng rng(3, "tests.fit");
  const std::vector<double> truth = {0.05, 1.3e-3};
  LeastSquaresProblem problem = draw(truth, 100, 0.02, rng);
  for (std::size_t i = 0; i < 100; i += 20) problem.values[i] *= 10;
  const LeastSquaresFit fit = fit_least_squares(problem);
  CHECK(fit.coefficients[0] == Approx(truth[0]).epsilon(0.03));
  CHECK(fit.coefficients[1] == Approx(truth[1]).epsilon(0.03));
}

// A 95 % interval holds the truth in 95 of 100 drawings; of 300, less than 90 % or more than 99 %
// has a chance below 1 in 1,000.
TEST_CASE("standard errors are as large as the errors", "[cost_models][fit]") {
  Rng rng(4, "tests.fit");
  const std::vector<double> truth = {0.05, 1.3e-3};
  int held[2] = {0, 0};
  for (int round = 0; round < 300; ++round) {
    const LeastSquaresFit fit = fit_least_squares(draw(truth, 60, 0.05, rng));
    for (std::size_t i = 0; i < 2; ++i)
      held[i] += std::abs(fit.coefficients[i] - truth[i]) < 1.96 * fit.error(i) ? 1 : 0;
  }
  for (const int count : held) {
    CHECK(count > 270);
    CHECK(count < 298);
  }
}

TEST_CASE("a coefficient in other units has its error in those units", "[cost_models][fit]") {
  Rng rng(6, "tests.fit");
  const LeastSquaresProblem problem = draw({0.05, 1.3e-3}, 40, 0.05, rng);
  LeastSquaresProblem scaled = problem;
  for (std::vector<double>& row : scaled.rows) row[1] *= 1e12;
  const LeastSquaresFit a = fit_least_squares(problem), b = fit_least_squares(scaled);
  CHECK(b.error(0) == Approx(a.error(0)).epsilon(1e-6));
  CHECK(b.error(1) * 1e12 == Approx(a.error(1)).epsilon(1e-6));
}

TEST_CASE("samples that are one in truth do not make a fit surer", "[cost_models][fit]") {
  Rng rng(5, "tests.fit");
  const LeastSquaresProblem once = draw({0.05, 1.3e-3}, 40, 0.05, rng);
  LeastSquaresProblem thrice = once;
  for (int copy = 0; copy < 2; ++copy) {
    thrice.rows.insert(thrice.rows.end(), once.rows.begin(), once.rows.end());
    thrice.values.insert(thrice.values.end(), once.values.begin(), once.values.end());
    thrice.groups.insert(thrice.groups.end(), once.groups.begin(), once.groups.end());
  }
  const LeastSquaresFit a = fit_least_squares(once), b = fit_least_squares(thrice);
  CHECK(b.error(1) == Approx(a.error(1)).epsilon(1e-6));
}

TEST_CASE("a column that repeats others is left out", "[cost_models][fit]") {
  CHECK((independent_columns({{1, 2, 0, 3}, {1, 4, 0, 5}, {1, 7, 0, 8}}) ==
         std::vector<std::size_t>{0, 1}));
}

}  // namespace
}  // namespace scsim::cost_models
