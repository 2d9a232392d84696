// Which share of the chunks' rows CacheBlend computes in a layer.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "methods/method.h"

namespace scsim::methods {

struct RecomputeShare {
  double ratio = 0.15;
  std::int64_t check = 1;
  double spread = 0;

  // All rows up to the check; behind it the ratio, or shares that fall evenly from one layer to the
  // next, the ratio being their mean unless a share would be more than all.
  double into(std::int64_t layer, std::int64_t num_layers) const {
    if (layer <= check) return 1;
    const std::int64_t steps = num_layers - check - 2;  // between the layers behind the check
    if (spread == 0 || steps <= 0) return ratio;
    const double way = static_cast<double>(layer - check - 1) / static_cast<double>(steps);
    return std::min(1.0, ratio * (1 + spread * (1 - 2 * way)));
  }
};

inline RecomputeShare recompute_share(const MethodParameters& parameters) {
  return {.ratio = parameters.at("ratio"),
          .check = static_cast<std::int64_t>(parameters.at("check")),
          .spread = parameters.at("spread")};
}

// So many rows are that share of `rows`: rounded down, as the authors' code does.
inline std::int64_t rows_of(double share, std::int64_t rows) {
  return static_cast<std::int64_t>(std::floor(share * static_cast<double>(rows) + 1e-9));
}

}  // namespace scsim::methods
