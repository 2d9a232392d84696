// A long-context method as the simulator has it: what its contract (methods/contract.h) says of one
// model, summed over the layers and in tokens of the model's own KV, so that schedulers count
// blocks and cost models read contexts as they always do.
//
//   auto method = make_method_model("snapkv:budget=1024", model, precision, profile);
//   method->compression->kept(prompts)
//
// What is modelled: prefills that attend less; caches that are compressed behind a prompt, once or
// behind every prompt, and then grow by a whole token a step; decode steps that read all of what is
// kept, or a linear function of the context up to a budget. All else is refused by name.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cost_models/profile.h"
#include "cost_models/shapes.h"
#include "cost_models/step_cost.h"
#include "methods/method.h"
#include "sim/compression.h"

namespace scsim::sim {

// A decode step reads `all` of each token of its context and `first` of each of its first `budget`.
struct PartialReads {
  double all = 1, first = 0;
  std::int64_t budget = 0;
};

class MethodModel {
 public:
  // Attended pairs of one query head of one layer, on average: as the contract has them; where the
  // data decide, by the density that was measured, or else the mean of the bounds.
  double prefill_pairs(std::int64_t cached, std::int64_t fresh) const;
  // Seconds that compressing behind a prompt of so many tokens takes.
  double compression_seconds(std::int64_t prompt) const {
    return seconds_a_prompt_ + seconds_a_token_ * static_cast<double>(prompt);
  }

  std::string text;  // its name and the parameters that are not at their defaults
  methods::ReuseClass reuse = methods::ReuseClass::kExact;  // by a session's own questions in view
  bool chunked = true;
  double cache_share = 1;  // bytes kept of a token over those of the model's KV, uncompressed ones
  std::optional<PartialReads> reads;
  std::unique_ptr<CompressionRule> compression;  // of methods that compress
  std::optional<int> profiled;                   // its place in the profile's methods
  std::vector<std::string> honesty;

 private:
  friend class MethodModelMaker;
  std::unique_ptr<methods::KvContract> contract_;
  std::vector<methods::AttentionLayer> layers_;
  std::vector<std::pair<double, double>> densities_;  // by tokens; where the data decide
  double heads_ = 1;                                  // query heads of all layers
  double seconds_a_prompt_ = 0, seconds_a_token_ = 0;
};

// Null for full attention, which needs no model. The error says what is unknown, with the nearest
// name, or what of the method is not modelled. `profile` may be null.
Expected<std::shared_ptr<const MethodModel>> make_method_model(
    const std::string& text, const cost_models::ModelShape& model,
    const cost_models::Precision& precision, std::int64_t block_tokens,
    const cost_models::MeasuredCosts* profile);

// The place among a profile's methods of the one that MethodModel::text writes; "full" too.
std::optional<int> profiled_method(const Profile& profile, const std::string& text);

// A cost model whose decode steps read a part of their context only.
std::unique_ptr<cost_models::StepCostModel> with_partial_reads(
    std::unique_ptr<cost_models::StepCostModel> whole, const PartialReads& reads);

}  // namespace scsim::sim
