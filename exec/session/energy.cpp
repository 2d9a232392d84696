#include "exec/session/energy.h"

namespace scsim::exec {

double energy_between(double before, double after, double range) {
  return after >= before ? after - before : range - before + after;
}

void EnergyMeter::start() {
  before_.clear();
  for (const EnergyCounter& counter : counters_) before_.push_back(counter.read());
}

std::vector<std::pair<std::string, double>> EnergyMeter::stop() const {
  std::vector<std::pair<std::string, double>> used;
  for (std::size_t i = 0; i < before_.size(); ++i) {
    const std::optional<double> after = counters_[i].read();
    if (!before_[i] || !after) continue;
    // One that went down and has no range was set back by somebody.
    if (*after < *before_[i] && counters_[i].range <= 0) continue;
    used.emplace_back(counters_[i].source, energy_between(*before_[i], *after, counters_[i].range));
  }
  return used;
}

}  // namespace scsim::exec
