#include "cost_models/step_drivers.h"

#include <algorithm>

namespace scsim::cost_models {
namespace {

constexpr std::array<std::string_view, kNumStepDrivers> kNames = {"steps",
                                                                  "tokens_to_4",
                                                                  "tokens_4_to_16",
                                                                  "tokens_16_to_64",
                                                                  "tokens_64_to_256",
                                                                  "tokens_over_256",
                                                                  "more_than_16_tokens",
                                                                  "more_than_16_sampled",
                                                                  "prefill_pairs",
                                                                  "prefill_context",
                                                                  "decode_context",
                                                                  "sequences",
                                                                  "sampled",
                                                                  "prefill_tokens",
                                                                  "prefill_tokens_to_64",
                                                                  "prefill_tokens_to_256",
                                                                  "prefills",
                                                                  "prefill_ends",
                                                                  "decodes"};

double& at(StepWork& work, StepDriver driver) { return work[static_cast<std::size_t>(driver)]; }

void set_tokens(StepWork& work, double tokens) {
  constexpr std::array<double, 6> kEnds = {0, 4, 16, 64, 256, 1e18};
  for (std::size_t i = 0; i + 1 < kEnds.size(); ++i) {
    work[static_cast<std::size_t>(StepDriver::kTokensTo4) + i] =
        std::clamp(tokens - kEnds[i], 0.0, kEnds[i + 1] - kEnds[i]);
  }
  at(work, StepDriver::kMoreThan16Tokens) = tokens > 16 ? 1 : 0;
}

std::int64_t dimension(const OperatorSample& sample, std::string_view name, std::int64_t unless) {
  const auto found = std::ranges::find(sample.dimensions, name,
                                       [](const auto& d) { return std::string_view(d.first); });
  return found == sample.dimensions.end() ? unless : found->second;
}

// Elements of K and V take so many bytes in one layer and token.
double token_bytes(const OperatorSample& sample) {
  const bool half = sample.type.find("16") != std::string::npos || sample.type == "Half";
  return 2.0 * static_cast<double>(sample.kv_heads * sample.head_dim) * (half ? 2 : 4);
}

}  // namespace

std::string_view step_driver_name(StepDriver driver) {
  return kNames[static_cast<std::size_t>(driver)];
}

StepWork step_work(const StepShape& shape) {
  using enum StepDriver;
  StepWork work{};
  const auto fresh = static_cast<double>(shape.prefill_tokens);
  const auto prefills = static_cast<double>(shape.prefill_sequences);
  const auto decodes = static_cast<double>(shape.decode_sequences);
  at(work, kSteps) = 1;
  set_tokens(work, fresh + decodes);
  at(work, kPrefillPairs) = shape.prefill_pairs;
  at(work, kPrefillContext) = shape.prefill_cached_tokens + fresh;
  at(work, kSequences) = prefills + decodes;
  at(work, kSampled) = static_cast<double>(shape.sampled_sequences);
  at(work, kMoreThan16Sampled) = shape.sampled_sequences > 16 ? 1 : 0;
  at(work, kPrefillTokens) = fresh;
  at(work, kPrefillTokensTo64) = std::min(fresh, 64.0);
  at(work, kPrefillTokensTo256) = std::min(fresh, 256.0);
  at(work, kPrefills) = prefills;
  at(work, kPrefillEnds) =
      std::max(0.0, static_cast<double>(shape.sampled_sequences - shape.decode_sequences));
  at(work, kDecodes) = decodes;
  return work;
}

StepWork step_work(const OperatorSample& sample, std::int64_t layers, bool is_full) {
  using enum StepDriver;
  StepShape shape;
  double decode_context = 0;
  std::int64_t decodes = dimension(sample, "decodes", std::ssize(sample.new_tokens));
  for (std::size_t i = 0; i < sample.new_tokens.size(); ++i) {
    const std::int64_t fresh = sample.new_tokens[i];
    const std::int64_t cached = i < sample.cached_tokens.size() ? sample.cached_tokens[i] : 0;
    if (fresh == 1 && decodes > 0) {
      --decodes;
      ++shape.decode_sequences;
      decode_context += static_cast<double>(cached + 1);
      continue;
    }
    ++shape.prefill_sequences;
    shape.prefill_tokens += fresh;
    shape.prefill_pairs += causal_pairs(cached, fresh, 0);
    shape.prefill_cached_tokens += static_cast<double>(cached);
  }
  shape.sampled_sequences = dimension(sample, "sampled", std::ssize(sample.new_tokens));
  StepWork work = step_work(shape);
  at(work, kDecodeContext) = decode_context;
  if (is_full) return work;
  const double read = (at(work, kPrefillContext) + decode_context) * static_cast<double>(layers) *
                      token_bytes(sample);
  if (sample.bytes_read > 0 && read > 0) {
    const double part = static_cast<double>(sample.bytes_read) / read;
    at(work, kPrefillContext) *= part, at(work, kDecodeContext) *= part;
  }
  const double pairs =
      (shape.prefill_pairs + decode_context) * static_cast<double>(layers * sample.query_heads);
  if (sample.attended_pairs > 0 && pairs > 0)
    at(work, kPrefillPairs) *= static_cast<double>(sample.attended_pairs) / pairs;
  return work;
}

}  // namespace scsim::cost_models
