#include "sim/store/eviction.h"

namespace scsim::sim {

double Residents::recompute_seconds(CopyId copy) const {
  const Resident& resident = (*this)[copy];
  const std::int64_t last = resident.begin + resident.blocks - 1;
  return recompute_(last * block_tokens_, block_tokens_);
}

Expected<Eviction> find_eviction(const std::string& name, const PolicyParameters& given) {
  const auto entry = find_policy("eviction policy", eviction_table(), name);
  if (!entry) return entry.error();
  auto parameters = resolve_parameters("eviction policy", **entry, given);
  if (!parameters) return parameters.error();
  return Eviction{*entry, *std::move(parameters)};
}

}  // namespace scsim::sim
