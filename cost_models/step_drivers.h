// What the seconds of one whole engine step depend on, as far as a cost model may know
// (cost_models/step_cost.h): sums over its sequences, so that many decode steps have a closed form.
//
// `scsim fit` fits measured steps to these (OperatorSamples named kEngineStep), and the cost model
// `profile` multiplies them with what was fitted. Matrix products of few rows are far from the rate
// of large ones, in either direction: on processors the first rows cost more, on GPUs they cost
// nothing beside the weights. So new tokens come in pieces of their number, each at a rate of its
// own, and beyond 16 of them a step more (measured: 48 ms for 16 and 71 ms for 17 rows of SmolLM2
// on one core). Attention: what a prefill computes grows with its pairs, what it and a decode read
// with their contexts.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cost_models/step_cost.h"
#include "traces/calibration.h"

namespace scsim::cost_models {

inline constexpr std::string_view kEngineStep = "engine_step";
// The fit of the stage compression to what a simulator knows: that a prompt ended, and its tokens.
inline constexpr std::string_view kCompressionOfPrompts = "compression_of_prompts";

enum class StepDriver : std::uint8_t {
  kSteps,        // one
  kTokensTo4,    // of all new tokens those that are among the first 4,
  kTokens4To16,  // among the next ones up to 16, and so on
  kTokens16To64,
  kTokens64To256,
  kTokensOver256,
  // One, if they are more: where products of matrices pass to other kernels.
  kMoreThan16Tokens,
  kMoreThan16Sampled,  // the same of sequences that need logits
  kPrefillPairs,       // attended (query, key) pairs of prefills, of one query head of one layer
  kPrefillContext,     // tokens whose KV prefills read, their own included
  kDecodeContext,      // likewise decodes: one token a sequence
  kSequences,
  kSampled,  // sequences that need logits
  // Only where steps are put together from stages that were measured one request at a time.
  kPrefillTokens,
  kPrefillTokensTo64,
  kPrefillTokensTo256,
  kPrefills,
  kPrefillEnds,
  kDecodes,
};
inline constexpr std::size_t kNumStepDrivers = 19;
// Those that whole steps are fitted to, in the order in which they are tried.
inline constexpr std::size_t kNumFittedStepDrivers = 13;
std::string_view step_driver_name(StepDriver driver);

using StepWork = std::array<double, kNumStepDrivers>;

// What a step does; kDecodeContext is left at 0, as the caller multiplies by it.
StepWork step_work(const StepShape& shape);
// What a sampled step did. Sequences with one new token are decodes, but no more of them than the
// sample's dimension "decodes" says, if it does. Of methods other than full attention contexts and
// pairs are less by what the method did not read and attend of them; `layers` are those of the
// model that attend.
StepWork step_work(const OperatorSample& sample, std::int64_t layers, bool is_full);

}  // namespace scsim::cost_models
