// Each operator alone, over lengths and batch sizes, at a model's shapes: samples that the costs of
// stages are fitted to. Inputs are random numbers: what these operators cost does not depend on
// them.
//
//   std::vector<OperatorSample> plan = plan_kernels(shapes, design);
//   for (OperatorSample& sample : plan) measure_kernel(sample, shapes, timeline, design);
#pragma once

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

#include <cstdint>
#include <string>
#include <vector>

#include "exec/api/stage_clock.h"
#include "exec/weights/model_config.h"
#include "traces/calibration.h"

namespace scsim::exec {

struct KernelShapes {
  std::int64_t query_heads = 0, kv_heads = 0, head_dim = 0;
  std::int64_t hidden = 0, intermediate = 0, vocabulary = 0;
  std::int64_t page_tokens = 64;
  c10::Device device = c10::kCPU;
  c10::ScalarType type = c10::kFloat;
};
KernelShapes kernel_shapes(const ModelConfig& config, c10::Device device, c10::ScalarType type);

struct KernelDesign {
  std::vector<std::int64_t> lengths;   // tokens: of prompts, and behind a decode step
  std::vector<std::int64_t> batches;   // sequences of a decode step
  std::vector<std::string> operators;  // of kernel_names(); empty: all
  int repeats = 5;
  std::uint64_t seed = 1;  // of inputs and of the order
};

// attention_prefill, attention_decode, merge_state, linear, rms_norm, silu_and_multiply,
// apply_rope.
const std::vector<std::string>& kernel_names();

// What is to be measured, in random order: all but seconds, date and error. A batch of several is
// measured twice: of equal lengths, and of lengths that halve from one sequence to the next.
std::vector<OperatorSample> plan_kernels(const KernelShapes& shapes, const KernelDesign& design);

// Once to warm up, then design.repeats times. Where the plain reference takes less than some
// seconds the results are compared with it. REQUIRES: `sample` is of plan_kernels(shapes, design).
void measure_kernel(OperatorSample& sample, const KernelShapes& shapes, const KernelDesign& design,
                    Timeline& timeline);

}  // namespace scsim::exec
