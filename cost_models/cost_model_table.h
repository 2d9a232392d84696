// The table of cost models; one line `add_cost_model(x)` in cost_models/CMakeLists.txt adds one.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cost_models/profile.h"
#include "cost_models/shapes.h"
#include "cost_models/step_cost.h"

namespace scsim::cost_models {

struct CostModelInputs {
  GpuShape gpu;
  ModelShape model;
  Parallel parallel;
  Precision precision;
  Seconds step_overhead, request_overhead;                 // host time, from the engine's knobs
  std::shared_ptr<const MeasuredCosts> profile = nullptr;  // where one was given
  std::optional<int> method = std::nullopt;  // of the profile's methods; absent: full attention
};

struct CostModelEntry {
  std::string name, sentence, source;
  std::function<Expected<std::unique_ptr<StepCostModel>>(const CostModelInputs&)> make;
};

const std::vector<CostModelEntry>& cost_model_table();
Expected<std::unique_ptr<StepCostModel>> make_cost_model(const std::string& name,
                                                         const CostModelInputs& inputs);

}  // namespace scsim::cost_models
