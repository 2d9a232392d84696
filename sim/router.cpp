#include "sim/router.h"

namespace scsim::sim {

Expected<std::unique_ptr<Router>> make_router(const std::string& name,
                                              const PolicyParameters& given, std::uint64_t seed) {
  const auto entry = find_policy("router", router_table(), name);
  if (!entry) return Error{"router.policy: " + entry.error().message};
  auto parameters = resolve_parameters("router", **entry, given);
  if (!parameters) return Error{"router." + parameters.error().message};
  return (*entry)->make(*parameters, seed);
}

std::size_t least_loaded_engine(std::span<const EngineView> engines, double waiting_weight,
                                std::size_t last) {
  std::size_t best = 0;
  double least = 0;
  for (std::size_t step = 1; step <= engines.size(); ++step) {
    const std::size_t place = (last + step) % engines.size();
    const EngineView& view = engines[place];
    const double load = waiting_weight * static_cast<double>(view.waiting + view.sent_requests) +
                        static_cast<double>(view.running);
    if (step == 1 || load < least) {
      least = load;
      best = place;
    }
  }
  return best;
}

}  // namespace scsim::sim
