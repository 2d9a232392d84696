// The bins of a histogram of gaps between tokens, and how one is filled.
#pragma once

#include <array>
#include <cstdint>

#include "traces/result.h"

namespace scsim {

// Where each bin begins, in seconds: products one after another, the same on every machine.
const std::array<double, GapHistogram::kBins>& gap_edges();
std::size_t gap_bin(double seconds);

void count_gap(GapHistogram& histogram, std::int64_t gap_ns);

}  // namespace scsim
