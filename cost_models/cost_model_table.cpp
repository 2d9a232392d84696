#include "cost_models/cost_model_table.h"

#include <algorithm>

#include "traces/text.h"

namespace scsim::cost_models {

Expected<std::unique_ptr<StepCostModel>> make_cost_model(const std::string& name,
                                                         const CostModelInputs& inputs) {
  if (Expected<void> fits = check_parallel(inputs.model, inputs.parallel); !fits) {
    return fits.error();
  }
  std::vector<std::string> names;
  for (const CostModelEntry& entry : cost_model_table()) {
    if (entry.name == name) return entry.make(inputs);
    names.push_back(entry.name);
  }
  return Error{unknown_name("cost model", name, names)};
}

}  // namespace scsim::cost_models
