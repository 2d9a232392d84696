// What breaks: engines, nodes and instances of tiers, at given times or drawn.
//
// A node takes its engines and what its tiers hold with it; an engine, a tier of its own. What was
// there is lost: prefix caches and blocks of tiers. Requests that waited or ran on an engine start
// anew elsewhere after a pause, until they have done so too often. An engine breaks at the end of
// the step in which its failure falls, a matter of milliseconds; what a tier is reading at that
// moment is still delivered. Frontends know at once which engines work, and send what their router
// would send to a broken one to the least loaded of the others; if there is none, that is one more
// failed start. Copies on their way out of a broken node are taken to be staged.
//
// Each drawn component alternates between exponential times of work and repair, from a stream of
// its own: the same failures whatever else is changed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "traces/expected.h"
#include "traces/rng.h"
#include "traces/time.h"

namespace scsim::proto {
class FailuresConfig;
}

namespace scsim::sim {

struct Cluster;

struct FailureSettings {
  struct Event {
    std::string what, which;
    Duration at{}, lasts{};  // lasts 0: for ever
  };
  struct Rate {
    std::string what;
    Duration mtbf{}, mttr{};
  };
  std::vector<Event> events;
  std::vector<Rate> rates;
  int retries = 3;
  Duration backoff{};

  bool any() const { return !events.empty() || !rates.empty(); }
};

// Something that can break, and what breaks with it.
struct Component {
  std::string what, which;
  std::vector<std::uint32_t> engines;
  std::vector<std::int32_t> tiers;  // TieredStore numbers them in this order
};
// Of the cluster: engines, nodes, instances of tiers.
std::vector<Component> components_of(const Cluster& cluster);

// Errors name the key, and what there is to break. REQUIRES: the cluster's pools and store.
Expected<FailureSettings> resolve_failures(const proto::FailuresConfig& config,
                                           const Cluster& cluster);

// The times of one component's drawn failures.
class FailureDraw {
 public:
  FailureDraw(std::uint64_t seed, const FailureSettings::Rate& rate, const std::string& which);
  Duration works();   // until it breaks, then
  Duration broken();  // until it works again, in turn

 private:
  Duration draw(Duration mean);
  Rng rng_;
  Duration mtbf_, mttr_;
};

}  // namespace scsim::sim
