// How long one engine step takes, as an affine function of the context its decodes read.
//
// An engine advances many decode steps at once (sim/engine.h), so a cost model gives it the step's
// cost for a fixed batch in closed form: a fixed part, and a slope per token of context that the
// decoding sequences read. A step's cost with decode context C and windowed contexts W_i is
//     fixed + per_context_token * C + sum_i per_windowed_token[i] * W_i      for each stage,
// where a sequence's context is all tokens that its new token attends to, itself included, and its
// windowed context is that, but at most the window. The sum over the stages is the step's time.
// Every cost model keeps to this: attention of a decode step is bytes over bandwidth or operations
// over rate, both linear in the context; all else depends on the number of tokens only.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "traces/quantity.h"
#include "traces/stage.h"

namespace scsim::cost_models {

// Sliding-window layers come in few distinct window sizes.
inline constexpr std::size_t kMaxWindows = 2;

// What one step computes apart from the context that its decodes read.
struct StepShape {
  std::int64_t prefill_tokens = 0;  // new prompt tokens, over all sequences
  std::int64_t prefill_sequences = 0;
  std::int64_t decode_sequences = 0;  // one token each
  double prefill_pairs = 0;           // attended (query, key) pairs per full-attention head
  std::array<double, kMaxWindows> windowed_prefill_pairs{};
  double prefill_cached_tokens = 0;  // earlier tokens whose KV the prefills read
  std::array<double, kMaxWindows> windowed_prefill_cached{};  // of each sequence window - 1 at most
  std::int64_t sampled_sequences = 0;  // need logits: decodes, and prefills that end in this step
};

struct StepCost {
  PerStage<double> fixed{};  // seconds
  PerStage<double>
      per_context_token{};  // seconds per token of decode context, full-attention layers
  std::array<PerStage<double>, kMaxWindows> per_windowed_token{};
  // The ledger of the roofline, fixed part and slopes alike: of all the engine's GPUs together.
  double hbm_bytes = 0, flops = 0, link_bytes = 0;
  double hbm_bytes_per_context_token = 0, flops_per_context_token = 0;
  std::array<double, kMaxWindows> hbm_bytes_per_windowed_token{}, flops_per_windowed_token{};
  // Measured costs: the step is outside of what was sampled, or is when its decode context is more.
  bool extrapolated = false;
  double most_context = std::numeric_limits<double>::infinity();
};

// Pairs of a causal prefill of `fresh` tokens behind `cached` ones: sum over i in 1..fresh of
// min(cached + i, window); window 0 means none.
double causal_pairs(std::int64_t cached, std::int64_t fresh, std::int64_t window);

class StepCostModel;

// Seconds of one step that computes `fresh` tokens of one prompt behind `cached` ones, and nothing
// else: what reusing those tokens saves. A prompt in several chunks takes a little longer.
double prefill_seconds(const StepCostModel& model, std::int64_t cached, std::int64_t fresh);

class StepCostModel {
 public:
  virtual ~StepCostModel() = default;
  virtual StepCost step(const StepShape& shape) const = 0;  // pure; cost O(layer classes)
  // Window sizes in tokens of the sliding-window classes, at most kMaxWindows; index = class.
  virtual const std::vector<std::int64_t>& windows() const = 0;
  // "uncalibrated: ...", or empty when the coefficients were measured (INV-HONEST).
  virtual std::vector<std::string> honesty() const = 0;
};

}  // namespace scsim::cost_models
