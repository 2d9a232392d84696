// Real engine steps of many shapes, each alone: samples that the cost of a step is fitted to. A
// step is measured as replay() has it, whole: deciding, computing, sampling.
//
//   std::vector<OperatorSample> plan = plan_steps(design, engine);
//   for (OperatorSample& sample : plan) measure_step(sample, design, engine);
//
// A sample is named `engine_step`. Its sequences are those that decode, one new token each, and
// behind them chunks of prompts; dimensions say how many decode and how many are sampled. Prefixes
// are planted (Engine::plant): what attention costs does not depend on what it reads.
#pragma once

#include <cstdint>
#include <vector>

#include "exec/engine/engine.h"
#include "traces/calibration.h"

namespace scsim::exec {

struct StepDesign {
  std::vector<std::int64_t> chunks;    // tokens of a prompt in one step
  std::vector<std::int64_t> behind;    // tokens cached before a chunk: whole blocks
  std::vector<std::int64_t> batches;   // sequences that decode
  std::vector<std::int64_t> contexts;  // tokens cached of each that decodes
  std::int64_t method = 0;             // position in the calibration's table
  int repeats = 3;
  std::uint64_t seed = 1;  // of the order
};

// What is to be measured, in random order: all but seconds, counts and date. Chunks alone and two
// at a time; batches that decode, of equal lengths and of lengths that halve; chunks beside
// batches. What the engine's blocks, sequences or tokens of a step do not allow is left out;
// lengths are made to fit whole blocks.
std::vector<OperatorSample> plan_steps(const StepDesign& design, const Engine& engine);

// The error is the model's. REQUIRES: `sample` is of plan_steps(); nothing runs or waits.
Expected<void> measure_step(OperatorSample& sample, const StepDesign& design, Engine& engine);

}  // namespace scsim::exec
