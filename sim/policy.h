// What all policies that can be chosen by name have in common: how help speaks of them, and their
// parameters.
//
// A policy is one file in sim/policies/, one test, and one line `add_policy(x table)` in
// sim/CMakeLists.txt, where `table` says what it decides: `router` (sim/router.h) or `eviction`
// (sim/store/eviction.h).
#pragma once

#include <map>
#include <string>
#include <vector>

#include "traces/expected.h"
#include "traces/text.h"

namespace scsim::sim {

struct PolicyParameter {
  std::string name;
  double default_value = 0, min = 0, max = 0;
  std::string sentence;
};

using PolicyParameters = std::map<std::string, double>;

struct PolicyDescription {
  std::string name, sentence, source;
  std::vector<PolicyParameter> parameters;
};

// All parameters of the policy: as given, or their defaults. Errors name an unknown parameter with
// the nearest known one, and a value out of range; `kind` is what people call the policy
// ("router").
Expected<PolicyParameters> resolve_parameters(const std::string& kind,
                                              const PolicyDescription& policy,
                                              const PolicyParameters& given);

// The table's entry of that name. The error names the nearest known one.
template <class Entry>
Expected<const Entry*> find_policy(const std::string& kind, const std::vector<Entry>& table,
                                   const std::string& name) {
  std::vector<std::string> names;
  for (const Entry& entry : table) {
    if (entry.name == name) return &entry;
    names.push_back(entry.name);
  }
  return Error{unknown_name(kind, name, names)};
}

}  // namespace scsim::sim
