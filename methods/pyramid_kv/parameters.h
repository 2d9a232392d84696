// PyramidKV's parameters, as its contract and its execution read them.
#pragma once

#include "methods/method.h"
#include "methods/pyramid_kv/layer_budget.h"

namespace scsim::methods {

inline PyramidShape pyramid_shape(const MethodParameters& parameters) {
  return {.formula =
              parameters.at("formula") == 0 ? PyramidFormula::kReleased : PyramidFormula::kKvpress,
          .budget = static_cast<std::int64_t>(parameters.at("budget")),
          .window = static_cast<std::int64_t>(parameters.at("window")),
          .beta = static_cast<std::int64_t>(parameters.at("beta"))};
}

}  // namespace scsim::methods
