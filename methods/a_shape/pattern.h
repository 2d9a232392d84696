// The fixed patterns of sparse prefill, as numbers and as a contract: what A-shape and Tri-shape
// share, and an A-shape head of MInference.
//
// Row p of a prompt (from 0) attends the first `init` tokens and its own last `local`, itself
// included: min(p + 1, init + local) keys, exactly, masked inside tiles. Tri-shape adds that the
// prompt's last `last` rows attend everything. Keys and values of all tokens are kept; decoding
// and, unless asked otherwise, prompts behind the first attend everything.
#pragma once

#include <memory>

#include "methods/method.h"

namespace scsim::methods {

struct StaticPattern {
  std::int64_t init = 128, local = 3968;
  std::int64_t last = 0;           // rows of the prompt that attend everything
  std::int64_t dense_layers = 0;   // the first layers attend everything (TriangleMix)
  bool sparse_follow_ups = false;  // prompts behind the first are sparse too
  bool applies(std::int64_t layer, bool first_prefill) const {
    return layer >= dense_layers && (first_prefill || sparse_follow_ups);
  }
};

// (query, key) pairs of rows [from, to), of one head.
double a_shape_pairs(std::int64_t init, std::int64_t local, std::int64_t from, std::int64_t to);

// The parameters of both methods: those of A-shape and, with `tri`, Tri-shape's own.
std::vector<MethodParameter> static_pattern_parameters(bool tri);
StaticPattern static_pattern(const MethodParameters& parameters);
std::unique_ptr<KvContract> make_static_contract(const StaticPattern& pattern);

}  // namespace scsim::methods
