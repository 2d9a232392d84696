// What KIVI has in few bits behind a number of tokens, as numbers that its contract and its
// execution share.
//
// Keys wait until `residual` of them are there and are then quantised together, so between none and
// residual - 1 of the last keys are as the model computed them; a value is quantised when it is
// followed by `residual` others. Tokens both of whose halves are quantised are packed in blocks of
// `group`; the few behind them stay in pages, with the numbers that quantising leaves of them.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "methods/method.h"

namespace scsim::methods {

struct KiviRule {
  int bits;
  std::int64_t group, residual;
  bool first_prompt_only;

  explicit KiviRule(const MethodParameters& parameters)
      : bits(parameters.at("bits") == 0 ? 2 : 4),
        group(std::llround(parameters.at("group"))),
        residual(std::llround(parameters.at("residual"))),
        first_prompt_only(parameters.at("later") == 1) {
    residual = (residual + group - 1) / group * group;
  }

  // The first so many keys, values and tokens behind `tokens`.
  std::int64_t quantised_keys(std::int64_t tokens) const { return tokens / residual * residual; }
  std::int64_t quantised_values(std::int64_t tokens) const {
    return std::max<std::int64_t>(0, tokens - residual);
  }
  std::int64_t packed(std::int64_t tokens) const {
    return quantised_values(tokens) / group * group;  // never more than its keys
  }
};

}  // namespace scsim::methods
