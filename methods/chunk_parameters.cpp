#include "methods/chunk_parameters.h"

#include <algorithm>

#include "traces/check.h"

namespace scsim::methods {

std::vector<MethodParameter> chunk_parameters() {
  return {{.name = "chunk",
           .default_value = 0,
           .min = 0,
           .max = 1e6,
           .sentence = "tokens of a chunk, of which documents are made; 0: documents are chunks"},
          {.name = "lead",
           .default_value = 1,
           .min = 0,
           .max = 1e6,
           .sentence = "of the prompt's first tokens, before any document, so many stand before "
                       "each chunk when it is prefilled by itself"},
          {.name = "mask",
           .default_value = 0,
           .min = 0,
           .max = 1,
           .sentence = "a row attends what stands before it, or, of rows computed, row i of m all "
                       "but the last m - i tokens, as released code masks",
           .choices = {"causal", "bottom_right"}},
          {.name = "capacity",
           .default_value = 2048,
           .min = 0,
           .max = 1e9,
           .sentence = "MB of KV of chunks held for later prompts, those used last; 0: all"}};
}

ChunkParameters chunk_parameters(const MethodParameters& parameters) {
  return {.chunk_tokens = static_cast<std::int64_t>(parameters.at("chunk")),
          .lead_tokens = static_cast<std::int64_t>(parameters.at("lead")),
          .capacity_bytes = static_cast<std::int64_t>(1e6 * parameters.at("capacity")),
          .causal = parameters.at("mask") == 0};
}

double ChunkReuseContract::prefill_pairs_given(const AttentionLayer& layer, Tokens fresh,
                                               Tokens cached,
                                               const RecordedSelection& selection) const {
  SCSIM_CHECK_EQ(selection.size(), 1U);
  const auto rows = static_cast<std::int64_t>(selection.front().size());
  double keys = 0;
  for (std::int64_t i = 0; i < rows; ++i) {
    const std::int64_t row = parameters_.causal ? selection.front()[static_cast<std::size_t>(i)]
                                                : fresh.value() - rows + i;
    keys += static_cast<double>(cached.value() + row + 1);
  }
  return static_cast<double>(layer.query_heads) * keys;
}

PairBounds ChunkReuseContract::pairs_of(const AttentionLayer& layer, Tokens fresh, Tokens cached,
                                        std::int64_t fewest_rows) {
  const double most = causal_pairs(layer, fresh, cached);
  if (fewest_rows >= fresh.value()) return {.least = most, .most = most};
  // The last token is always computed.
  const double last = static_cast<double>(layer.query_heads * (cached + fresh).value());
  return {.least = causal_pairs(layer, Tokens{fewest_rows - 1}, cached) + last, .most = most};
}

}  // namespace scsim::methods
