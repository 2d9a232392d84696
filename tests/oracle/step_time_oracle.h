// The time of an engine step, from the definitions at the head of cost_models/roofline.cpp, the
// slow way: every layer on its own, every sequence on its own, pairs and experts counted token by
// token.
#pragma once

#include <cstdint>
#include <vector>

#include "cost_models/cost_model_table.h"
#include "traces/stage.h"

namespace scsim::oracle {

struct Sequence {
  std::int64_t cached = 0;  // tokens whose KV is there
  std::int64_t fresh = 1;   // tokens to compute now; 1 for a decode
  bool decode = false;
  bool sampled = false;
};

struct StepTime {
  PerStage<double> seconds{};
  double hbm_bytes = 0, flops = 0, link_bytes = 0;  // of all GPUs of the engine
  double total() const;
};

StepTime step_time(const cost_models::CostModelInputs& inputs,
                   const std::vector<Sequence>& sequences);

// The same batch as the cost model sees it, and what it says of it with the slopes applied.
cost_models::StepShape step_shape(const cost_models::StepCostModel& model,
                                  const std::vector<Sequence>& sequences);
StepTime modelled_time(const cost_models::StepCostModel& model,
                       const std::vector<Sequence>& sequences);

}  // namespace scsim::oracle
