#include "sim/autoscale.h"

#include <algorithm>
#include <cmath>

namespace scsim::sim {

int Autoscaler::wanted(const PoolLoad& load) const {
  using Policy = AutoscaleSettings::Policy;
  const int more = load.engines + std::max(1, load.engines / 4);
  if (settings_.policy == Policy::kTargetTracking) {
    const double all = static_cast<double>(load.waiting + load.running);
    return static_cast<int>(std::min(std::ceil(all / settings_.target), 1e6));
  }
  if (settings_.policy == Policy::kQueue) {
    if (static_cast<double>(load.waiting) > settings_.target * load.engines) return more;
  } else if (static_cast<double>(load.within) <
             settings_.target * static_cast<double>(load.first_tokens)) {
    return more;
  }
  return load.waiting == 0 ? load.engines - 1 : load.engines;
}

int Autoscaler::decide(TimePoint now, const PoolLoad& load) {
  const int now_wanted = std::clamp(wanted(load), settings_.least, most_);
  looks_.emplace_back(now, now_wanted);
  const bool long_enough = now >= TimePoint{} + settings_.keep;
  while (looks_.front().first + settings_.keep < now) looks_.pop_front();
  if (now_wanted >= load.engines) return now_wanted;
  int most = long_enough ? now_wanted : load.engines;
  for (const auto& [when, count] : looks_) most = std::max(most, count);
  return std::min(most, load.engines);
}

}  // namespace scsim::sim
