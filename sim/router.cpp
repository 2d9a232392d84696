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

}  // namespace scsim::sim
