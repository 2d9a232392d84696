// Means and quantiles of what one run observed, with confidence intervals that respect that
// neighbours in a queue are alike.
//
//   Distribution ttft = describe(seconds_in_order_of_arrival, scratch);
//   ttft.p99.value, ttft.p99.interval->half_width, ttft.p99.interval->batches
//
// Intervals are by batch means: the observations, in order of arrival, are cut into 32, else 16,
// else 8 batches of equal size; the largest number is taken at which batches next to each other no
// longer resemble each other (the correlation of neighbours is below 1.645 / sqrt(batches)).
// Quantiles use the same batches by sectioning: the interval is centred on the quantile of all
// observations, and its width comes from how far the batches' quantiles lie from that. A mean wants
// 10 observations in a batch, a quantile q wants 5 beyond it, which is 500 for p99; where there are
// too few, there is no interval rather than a wrong one.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace scsim::analysis {

// Half the width of a 95 % confidence interval.
struct Interval {
  double half_width = 0;
  int batches = 0;
  bool correlated = false;  // even 8 batches resembled their neighbours: the interval is too narrow
};

struct Estimate {
  double value = 0;
  std::optional<Interval> interval;  // absent: too few observations for one
};

struct Distribution {
  std::int64_t count = 0;  // everything else is 0 where this is
  Estimate mean, p50, p90, p99;
  double worst = 0;
};

// The quantile as numpy computes it by default: linear between the two nearest order statistics.
// Partially sorts `values`; expected cost O(n). REQUIRES: not empty, 0 <= q <= 1.
double quantile(std::span<double> values, double q);

// Describes observations given in order of arrival. Expected cost O(n). `scratch` is memory to
// reuse.
Distribution describe(std::span<const double> in_order, std::vector<double>& scratch);

// 95 % interval of the mean of `in_order` by batch means, as described above.
std::optional<Interval> mean_interval(std::span<const double> in_order);

// Least squares of y against 0, 1, 2, ...
struct Trend {
  double slope = 0;               // per step
  double residual_deviation = 0;  // of y around the line
};
// REQUIRES: at least 3 values.
Trend fit_trend(std::span<const double> y);

}  // namespace scsim::analysis
