#include "sim/policy.h"

#include <algorithm>

namespace scsim::sim {

Expected<PolicyParameters> resolve_parameters(const std::string& kind,
                                              const PolicyDescription& policy,
                                              const PolicyParameters& given) {
  PolicyParameters parameters;
  std::vector<std::string> known;
  for (const PolicyParameter& parameter : policy.parameters) {
    parameters[parameter.name] = parameter.default_value;
    known.push_back(parameter.name);
  }
  for (const auto& [key, value] : given) {
    const auto parameter = std::ranges::find(policy.parameters, key, &PolicyParameter::name);
    if (parameter == policy.parameters.end()) {
      return Error{"parameters: " + kind + " " + policy.name + ": " +
                   unknown_name("parameter", key, known)};
    }
    if (!(value >= parameter->min && value <= parameter->max)) {
      return Error{"parameters." + key + ": " + format_shortest(value) + " is out of range " +
                   format_shortest(parameter->min) + " to " + format_shortest(parameter->max)};
    }
    parameters[key] = value;
  }
  return parameters;
}

}  // namespace scsim::sim
