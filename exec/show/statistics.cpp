#include "exec/show/statistics.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "traces/check.h"

namespace scsim::exec {
namespace {

constexpr double kNormal = 1.959963984540054;  // 97.5 % point
constexpr int kResamples = 1000;

// 97.5 % points of Student's t. Beyond the table, Cornish and Fisher's expansion, which is within
// 1e-4 there.
double student(std::int64_t degrees) {
  constexpr std::array<double, 10> kTable = {12.70620, 4.30265, 3.18245, 2.77645, 2.57058,
                                             2.44691,  2.36462, 2.30600, 2.26216, 2.22814};
  if (degrees <= static_cast<std::int64_t>(kTable.size()))
    return kTable[static_cast<std::size_t>(degrees - 1)];
  const double n = static_cast<double>(degrees), z = kNormal, z3 = z * z * z, z5 = z3 * z * z;
  return z + (z3 + z) / (4 * n) + (5 * z5 + 16 * z3 + 3 * z) / (96 * n * n);
}

}  // namespace

Interval wilson(double proportion, double n) {
  SCSIM_CHECK(n > 0);
  const double z2 = kNormal * kNormal;
  const double centre = (proportion + z2 / (2 * n)) / (1 + z2 / n);
  const double half =
      kNormal / (1 + z2 / n) * std::sqrt(proportion * (1 - proportion) / n + z2 / (4 * n * n));
  return {std::max(0.0, centre - half), std::min(1.0, centre + half)};
}

Mean bounded_mean(std::span<const SessionSum> sessions) {
  Mean mean;
  for (const SessionSum& session : sessions) {
    SCSIM_CHECK(session.weight > 0);
    mean.value += session.sum / session.weight;
    mean.samples += session.samples;
  }
  mean.sessions = static_cast<std::int64_t>(sessions.size());
  if (sessions.empty()) return mean;
  const double n = static_cast<double>(sessions.size());
  mean.value = std::min(1.0, mean.value / n);
  mean.interval = wilson(mean.value, n);
  return mean;
}

// The error of a ratio of sums is that of sum - ratio * weight, to first order.
Mean ratio_mean(std::span<const SessionSum> sessions) {
  Mean mean;
  double sum = 0, weight = 0;
  for (const SessionSum& session : sessions) {
    sum += session.sum;
    weight += session.weight;
    mean.samples += session.samples;
  }
  mean.sessions = static_cast<std::int64_t>(sessions.size());
  if (weight <= 0) return mean;
  mean.value = sum / weight;
  if (mean.sessions < 2 || !std::isfinite(mean.value)) return mean;
  double squares = 0;
  for (const SessionSum& session : sessions) {
    const double residual = session.sum - mean.value * session.weight;
    squares += residual * residual;
  }
  const double n = static_cast<double>(mean.sessions);
  const double half = student(mean.sessions - 1) * std::sqrt(n / (n - 1) * squares) / weight;
  mean.interval = Interval{mean.value - half, mean.value + half};
  return mean;
}

Mean paired_difference(std::span<const double> differences, double scale, Rng rng) {
  Mean mean;
  mean.sessions = mean.samples = static_cast<std::int64_t>(differences.size());
  if (differences.empty()) return mean;
  std::vector<double> drawn_from(differences.begin(), differences.end());
  for (const double difference : differences) mean.value += difference;
  mean.value /= static_cast<double>(differences.size());
  drawn_from.push_back(scale);
  drawn_from.push_back(-scale);

  std::vector<double> means(kResamples);
  for (double& resampled : means) {
    for (std::size_t i = 0; i < drawn_from.size(); ++i)
      resampled += drawn_from[rng.below(drawn_from.size())];
    resampled /= static_cast<double>(drawn_from.size());
  }
  std::ranges::sort(means);
  constexpr std::size_t kTail = kResamples / 40;  // 2.5 %
  // The made-up sessions pull towards 0; the interval must not leave the mean out for that.
  mean.interval = Interval{std::min(means[kTail - 1], mean.value),
                           std::max(means[kResamples - kTail], mean.value)};
  return mean;
}

Spread spread(std::span<double> values) {
  Spread spread;
  spread.count = static_cast<std::int64_t>(values.size());
  if (values.empty()) return spread;
  std::ranges::sort(values);
  for (const double value : values) spread.mean += value;
  spread.mean /= static_cast<double>(values.size());
  const std::size_t middle = values.size() / 2;
  spread.median =
      values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
  spread.least = values.front();
  return spread;
}

}  // namespace scsim::exec
