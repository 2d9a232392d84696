// What is said of a LifetimeHistogram. Quantiles are read off bins that double in width, linear
// inside a bin; the mean is exact.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "traces/result.h"

namespace scsim::analysis {

struct LifetimeSummary {
  std::string_view reason;  // why these lives ended; or what the times are of
  std::uint64_t blocks = 0;
  double mean = 0, p50 = 0, p90 = 0;  // seconds
};

using LifetimeBins = std::array<std::uint64_t, LifetimeHistogram::kBins>;

LifetimeSummary summarise_lives(std::string_view reason, const LifetimeBins& count,
                                double sum_seconds);
// All reasons together.
LifetimeSummary summarise_lives(std::string_view what, const LifetimeHistogram& lifetimes);
// A row a reason: those of the first `always`, and of the others such as happened.
std::vector<LifetimeSummary> lives_by_reason(const LifetimeHistogram& lifetimes,
                                             std::size_t always);

// "resident at end" for "resident_at_end".
std::string reason_text(std::string_view reason);

}  // namespace scsim::analysis
