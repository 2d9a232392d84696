// Autoscaling: how many engines of a pool are up, decided every so often by what they are doing.
//
//   target_tracking  as many as the requests in the system need at `target` each: the rule of
//                    Kubernetes' horizontal pod autoscaler, ceil(now * metric / target)
//   queue            a quarter more (one at least) while more than `target` wait per engine; one
//                    fewer when nobody waits
//   slo              a quarter more while less than `target` of first tokens came within their
//                    class's TTFT since the last look; one fewer when all is well and nobody waits
//
// Fewer only if that was wanted at every look for as long as `keep`, as that autoscaler's
// stabilisation window has it. A new engine takes `cold_start` and begins with an empty prefix
// cache; one that goes ends what it has, takes nothing new, and its cache is lost.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "traces/time.h"

namespace scsim::sim {

struct AutoscaleSettings {
  enum class Policy : std::uint8_t { kNone, kTargetTracking, kQueue, kSlo };
  Policy policy = Policy::kNone;
  int least = 1;      // engines; at most those of the pool
  double target = 0;  // as above
  Duration period{}, cold_start{}, keep{};
};

// What a pool is doing.
struct PoolLoad {
  int engines = 0;  // up or on their way
  std::int64_t waiting = 0, running = 0;
  std::int64_t first_tokens = 0, within = 0;  // since the last look; of classes with a TTFT target
};

class Autoscaler {
 public:
  Autoscaler(const AutoscaleSettings& settings, int most) : settings_(settings), most_(most) {}

  // How many engines there should be from `now` on.
  int decide(TimePoint now, const PoolLoad& load);

 private:
  int wanted(const PoolLoad& load) const;

  AutoscaleSettings settings_;
  int most_;
  std::deque<std::pair<TimePoint, int>> looks_;  // what was wanted, within `keep`
};

}  // namespace scsim::sim
