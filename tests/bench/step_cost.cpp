// What a call of a cost model costs: the simulator makes one for every step that it does not
// advance in closed form. Prints nanoseconds per call for each model (best of five) and checks
// first that the answer is what the slow oracle says.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <limits>

#include "cost_models/cost_model_table.h"
#include "tests/oracle/step_time_oracle.h"

namespace scsim {
namespace {

using cost_models::StepShape;

double nanoseconds_per_call(const cost_models::StepCostModel& model, double& sink) {
  constexpr int kCalls = 200'000;
  double best = std::numeric_limits<double>::infinity();
  for (int run = 0; run < 6; ++run) {  // the first one warms up
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < kCalls; ++i) {
      const StepShape shape = {.prefill_tokens = i % 512,
                               .prefill_sequences = 1,
                               .decode_sequences = 1 + i % 256,
                               .prefill_pairs = 1000.0 * (i % 512),
                               .sampled_sequences = 1 + i % 256};
      sink += model.step(shape).fixed[static_cast<std::size_t>(Stage::kDecode)];
    }
    const std::chrono::duration<double, std::nano> taken = std::chrono::steady_clock::now() - start;
    if (run > 0) best = std::min(best, taken.count() / kCalls);
  }
  return best;
}

int run() {
  double sink = 0;
  std::printf("cost_model,gpu,model,ns_per_step\n");
  for (const cost_models::CostModelEntry& entry : cost_models::cost_model_table()) {
    for (const cost_models::ModelShape& model : cost_models::model_table()) {
      cost_models::CostModelInputs inputs;
      inputs.gpu = *cost_models::find_gpu("h200");
      inputs.model = model;
      const auto made = *entry.make(inputs);
      const std::vector<oracle::Sequence> batch = {
          {.cached = 100, .fresh = 50, .sampled = true},
          {.cached = 700, .decode = true, .sampled = true}};
      const double expected = oracle::step_time(inputs, batch).total();
      const double answer = oracle::modelled_time(*made, batch).total();
      if (entry.name == "roofline" && std::abs(answer - expected) > 1e-9 * expected) {
        std::fprintf(stderr, "%s: %.9g s, expected %.9g s\n", model.name.c_str(), answer, expected);
        return 1;
      }
      std::printf("%s,%s,%s,%.1f\n", entry.name.c_str(), inputs.gpu.name.c_str(),
                  model.name.c_str(), nanoseconds_per_call(*made, sink));
    }
  }
  return sink > 0 ? 0 : 1;
}

}  // namespace
}  // namespace scsim

int main() { return scsim::run(); }
