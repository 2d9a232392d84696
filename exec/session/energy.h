// Energy, where the machine has counters of it: read before and after what is measured.
//
//   EnergyMeter meter(rapl_counters().counters);
//   meter.start();
//   ...
//   for (const auto& [source, joules] : meter.stop()) ...     // "rapl package-0", 12.3
//
// A counter is of all that ran there meanwhile, not of this process alone.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace scsim::exec {

struct EnergyCounter {
  std::string source;                           // as calibrations name it
  std::function<std::optional<double>()> read;  // joules since some moment; absent: it failed
  double range = 0;  // joules at which it begins again from 0; 0: it does not
};

struct EnergyCounters {
  std::vector<EnergyCounter> counters;
  std::string why_none;  // where there are none: what is missing, and the remedy
};

// What was used between two readings. Of one that wrapped around in between, once: the longest turn
// is shorter than a counter's round, which takes many minutes at full power.
double energy_between(double before, double after, double range);

class EnergyMeter {
 public:
  explicit EnergyMeter(std::vector<EnergyCounter> counters) : counters_(std::move(counters)) {}

  void start();
  // Since start(), by source; without those that could not be read.
  std::vector<std::pair<std::string, double>> stop() const;

 private:
  std::vector<EnergyCounter> counters_;
  std::vector<std::optional<double>> before_;
};

}  // namespace scsim::exec
