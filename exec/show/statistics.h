// Means over sessions, with 95 % intervals. Sessions are what a calibration drew at random; turns
// and repeats of one session resemble each other and count as one observation of it.
//
//   Mean strict = bounded_mean(sums);                    // scores, which lie in 0..1
//   Mean nll = ratio_mean(sums);                         // nats per token
//   Mean gain = paired_difference(differences, 1, rng);  // of two methods on the same sessions
//
// A score gets Wilson's interval for a proportion. It stays inside 0..1 and says something sane of
// five right ones out of five, where resampling can only say [1, 1]. Scores between 0 and 1 vary
// less than right-or-wrong ones of the same mean, so for those it is wider than it need be, never
// narrower. What has no bounds gets Student's, from the spread of the sessions around the ratio.
//
// A difference is resampled (percentile bootstrap over sessions), because differences of scores
// have no simple distribution. Two made-up sessions are added, one won and one lost by `scale`, as
// Bonett and Price (2012) do for paired proportions: without them ten equal pairs would prove that
// the methods are the same. The mean that is given is that of the real sessions.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "traces/rng.h"

namespace scsim::exec {

struct Interval {
  double low = 0, high = 0;
  bool holds(double value) const { return low <= value && value <= high; }
};

struct Mean {
  double value = 0;
  std::optional<Interval> interval;  // absent: nothing can be said
  std::int64_t sessions = 0, samples = 0;
};

// All samples of one session: of scores their sum and number, of a ratio its two halves.
struct SessionSum {
  double sum = 0, weight = 0;
  std::int64_t samples = 0;
};

// Mean over sessions of sum / weight. REQUIRES: each of them lies in 0..1.
Mean bounded_mean(std::span<const SessionSum> sessions);
// Sum of sums over sum of weights.
Mean ratio_mean(std::span<const SessionSum> sessions);
// One difference per session. `scale` is the largest difference thought possible.
Mean paired_difference(std::span<const double> differences, double scale, Rng rng);

// Wilson's interval of a proportion seen in n trials; n may be 1. REQUIRES: n > 0.
Interval wilson(double proportion, double n);

// Mean, median, least of what was measured, for seconds: the least is what the machine can do.
struct Spread {
  double mean = 0, median = 0, least = 0;
  std::int64_t count = 0;
};
Spread spread(std::span<double> values);  // sorts them

}  // namespace scsim::exec
