#include "analysis/statistics.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "traces/check.h"

namespace scsim::analysis {
namespace {

struct BatchCount {
  int batches;
  double student_t;  // its 0.975 quantile at batches - 1 degrees of freedom
};
constexpr std::array<BatchCount, 3> kBatchCounts = {{{32, 2.0395}, {16, 2.1314}, {8, 2.3646}}};
constexpr double kSmallestMeanBatch = 10;
constexpr double kSmallestTail = 5;          // observations of a batch beyond its quantile
constexpr double kCorrelationLimit = 1.645;  // times 1 / sqrt(batches)

double mean_of(std::span<const double> values) {
  double sum = 0;
  for (double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

// The last batch takes the remainder, fewer than `batches` observations.
std::span<const double> batch(std::span<const double> values, int batches, int i) {
  const std::size_t size = values.size() / static_cast<std::size_t>(batches);
  const std::size_t first = size * static_cast<std::size_t>(i);
  return i + 1 == batches ? values.subspan(first) : values.subspan(first, size);
}

bool neighbours_alike(std::span<const double> means) {
  const double centre = mean_of(means);
  double squares = 0, products = 0;
  for (std::size_t i = 0; i < means.size(); ++i) {
    squares += (means[i] - centre) * (means[i] - centre);
    if (i > 0) products += (means[i] - centre) * (means[i - 1] - centre);
  }
  const double limit = kCorrelationLimit / std::sqrt(static_cast<double>(means.size()));
  return squares > 0 && products > limit * squares;
}

// Which of kBatchCounts suits these observations, and whether even that leaves neighbours alike.
struct Choice {
  std::size_t index = kBatchCounts.size();  // that: too few observations
  bool correlated = false;
};

Choice choose_batches(std::span<const double> in_order) {
  Choice choice;
  std::array<double, kBatchCounts[0].batches> means{};
  for (std::size_t i = 0; i < kBatchCounts.size(); ++i) {
    const int batches = kBatchCounts[i].batches;
    if (static_cast<double>(in_order.size()) < kSmallestMeanBatch * batches) continue;
    for (int b = 0; b < batches; ++b)
      means[static_cast<std::size_t>(b)] = mean_of(batch(in_order, batches, b));
    choice = {i, neighbours_alike({means.data(), static_cast<std::size_t>(batches)})};
    if (!choice.correlated) break;
  }
  return choice;
}

// `statistic(batch index)` of every batch against its value over all observations.
template <class Statistic>
Interval sectioning(const BatchCount& count, double overall, bool correlated,
                    const Statistic& statistic) {
  double squares = 0;
  for (int b = 0; b < count.batches; ++b) {
    const double distance = statistic(b) - overall;
    squares += distance * distance;
  }
  const double batches = count.batches;
  return {count.student_t * std::sqrt(squares / (batches * (batches - 1))), count.batches,
          correlated};
}

std::optional<Interval> interval_of_mean(std::span<const double> in_order, double mean,
                                         const Choice& choice) {
  if (choice.index == kBatchCounts.size()) return std::nullopt;
  const BatchCount& count = kBatchCounts[choice.index];
  return sectioning(count, mean, choice.correlated,
                    [&](int b) { return mean_of(batch(in_order, count.batches, b)); });
}

std::optional<Interval> interval_of_quantile(std::span<const double> in_order, double q,
                                             double value, const Choice& choice,
                                             std::vector<double>& scratch) {
  const double smallest = std::max(kSmallestMeanBatch, kSmallestTail / std::min(q, 1 - q) - 1e-6);
  for (std::size_t i = choice.index; i < kBatchCounts.size(); ++i) {
    const BatchCount& count = kBatchCounts[i];
    if (static_cast<double>(in_order.size()) < smallest * count.batches) continue;
    return sectioning(count, value, choice.correlated, [&](int b) {
      const auto part = batch(in_order, count.batches, b);
      scratch.assign(part.begin(), part.end());
      return quantile(scratch, q);
    });
  }
  return std::nullopt;
}

}  // namespace

double quantile(std::span<double> values, double q) {
  SCSIM_CHECK(!values.empty());
  SCSIM_CHECK(q >= 0 && q <= 1);
  const double position = q * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::size_t>(position);
  const auto nth = values.begin() + static_cast<std::ptrdiff_t>(below);
  std::nth_element(values.begin(), nth, values.end());
  const double part = position - static_cast<double>(below);
  if (part == 0) return *nth;
  return *nth + part * (*std::min_element(nth + 1, values.end()) - *nth);
}

Distribution describe(std::span<const double> in_order, std::vector<double>& scratch) {
  Distribution result;
  result.count = static_cast<std::int64_t>(in_order.size());
  if (in_order.empty()) return result;
  result.mean.value = mean_of(in_order);
  result.worst = *std::max_element(in_order.begin(), in_order.end());
  scratch.assign(in_order.begin(), in_order.end());
  result.p50.value = quantile(scratch, 0.5);
  result.p90.value = quantile(scratch, 0.9);
  result.p99.value = quantile(scratch, 0.99);

  const Choice choice = choose_batches(in_order);
  result.mean.interval = interval_of_mean(in_order, result.mean.value, choice);
  for (auto [estimate, q] : {std::pair{&result.p50, 0.5}, {&result.p90, 0.9}, {&result.p99, 0.99}})
    estimate->interval = interval_of_quantile(in_order, q, estimate->value, choice, scratch);
  return result;
}

std::optional<Interval> mean_interval(std::span<const double> in_order) {
  if (in_order.empty()) return std::nullopt;
  return interval_of_mean(in_order, mean_of(in_order), choose_batches(in_order));
}

Trend fit_trend(std::span<const double> y) {
  SCSIM_CHECK_GE(y.size(), std::size_t{3});
  const auto n = static_cast<double>(y.size());
  const double middle = (n - 1) / 2, mean = mean_of(y);
  double xx = 0, xy = 0;
  for (std::size_t i = 0; i < y.size(); ++i) {
    const double x = static_cast<double>(i) - middle;
    xx += x * x;
    xy += x * (y[i] - mean);
  }
  Trend trend;
  trend.slope = xy / xx;
  double squares = 0;
  for (std::size_t i = 0; i < y.size(); ++i) {
    const double residual = y[i] - mean - trend.slope * (static_cast<double>(i) - middle);
    squares += residual * residual;
  }
  trend.residual_deviation = std::sqrt(squares / (n - 2));
  return trend;
}

}  // namespace scsim::analysis
