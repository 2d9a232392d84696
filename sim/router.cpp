#include "sim/router.h"

#include "traces/text.h"

namespace scsim::sim {

Expected<std::unique_ptr<Router>> make_router(const std::string& name,
                                              const PolicyParameters& given, std::uint64_t seed) {
  std::vector<std::string> names;
  for (const PolicyEntry& entry : router_table()) {
    names.push_back(entry.name);
    if (entry.name != name) continue;
    PolicyParameters parameters;
    std::vector<std::string> known;
    for (const PolicyParameter& parameter : entry.parameters) {
      parameters[parameter.name] = parameter.default_value;
      known.push_back(parameter.name);
    }
    for (const auto& [key, value] : given) {
      if (!parameters.contains(key)) {
        return Error{"router.parameters: router " + name + ": " +
                     unknown_name("parameter", key, known)};
      }
      for (const PolicyParameter& parameter : entry.parameters) {
        if (parameter.name != key || (value >= parameter.min && value <= parameter.max)) continue;
        return Error{"router.parameters." + key + ": " + format_shortest(value) +
                     " is out of range " + format_shortest(parameter.min) + " to " +
                     format_shortest(parameter.max)};
      }
      parameters[key] = value;
    }
    return entry.make(parameters, seed);
  }
  return Error{"router.policy: " + unknown_name("router", name, names)};
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
