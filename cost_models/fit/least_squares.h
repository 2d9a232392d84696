// Non-negative least squares in relative errors, which a few wild samples do not move.
//
//   LeastSquaresFit fit = fit_least_squares({.rows = rows, .values = seconds, .groups = sessions});
//   fit.coefficients[0], fit.error(0)
//
// A second is a sum of things that each take time, so no coefficient is negative (Lawson and
// Hanson's active sets). Times spread over decades and their noise grows with them, so a sample
// counts by its relative error, and the division is by what the fit says, not by what was measured:
// otherwise samples that came out low by chance would count more. Samples further off than Huber's
// limit (1.345 robust deviations) lose weight, over and over until nothing changes.
//
// The covariance is the sandwich estimate for groups of samples (Liang and Zeger 1986), as
// corrected for few groups: turns of one session resemble each other. It is conditional on which
// coefficients are zero.
#pragma once

#include <cstddef>
#include <vector>

namespace scsim::cost_models {

struct LeastSquaresProblem {
  std::vector<std::vector<double>> rows;  // of each sample, what each coefficient is multiplied by
  std::vector<double> values;             // of each sample
  std::vector<int> groups;                // of each sample: those of one number resemble each other
  double smallest = 1e-5;  // values below it count as this: the grain of what was measured
};

struct LeastSquaresFit {
  std::vector<double> coefficients;             // not negative
  std::vector<std::vector<double>> covariance;  // of the coefficients; 0 where one is held at 0
  double error(std::size_t i) const;            // standard error of a coefficient
  double at(const std::vector<double>& row) const;
};

// Cost: samples * coefficients^2 for each of some ten rounds. REQUIRES: sizes agree, at least one
// sample, multipliers and values are finite and not negative.
LeastSquaresFit fit_least_squares(const LeastSquaresProblem& problem);

// Which columns say something that those before them do not: a column that is a combination of
// earlier ones, or zero, cannot have a coefficient of its own.
std::vector<std::size_t> independent_columns(const std::vector<std::vector<double>>& rows);

}  // namespace scsim::cost_models
