// The numbers of a run that studies keep: one table, walked by the database, CSV, reports, help and
// the planner. To add one: a line in metrics.cpp.
#pragma once

#include <string>
#include <vector>

#include "analysis/summary.h"
#include "sim/cluster.h"
#include "traces/expected.h"

namespace scsim::analysis {

struct MetricInputs {
  const Result& result;
  const Summary& summary;
  const sim::Cluster& cluster;
};

enum class Better : std::uint8_t { kNeither, kLower, kHigher };
enum class MetricUnit : std::uint8_t {
  kCount,
  kSeconds,
  kFraction,
  kPerSecond,
  kDollars,
  kFlag,
  kJoules,
  kGrams
};

struct Metric {
  std::string name;  // ends in its unit: _s, _per_s, _usd; shares 0..1 and counts have none
  std::string sentence;
  MetricUnit unit;
  Better better;
  double (*value)(const MetricInputs&);  // NaN: not known, or there is none
};

const std::vector<Metric>& metric_table();
// Its place in the table; unknown: names the nearest.
Expected<std::size_t> find_metric(const std::string& name);
// As a person reads it; "-" for NaN.
std::string metric_text(const Metric& metric, double value);

// Dollars per hour of all GPUs and of all tiers of the store; NaN unless every pool has a price.
double dollars_per_hour(const sim::Cluster& cluster);

}  // namespace scsim::analysis
