#include <algorithm>

#include "analysis/summary_parts.h"

namespace scsim::analysis {
namespace {

double gap_quantile(const GapHistogram& gaps, double q, std::uint64_t total) {
  const double wanted = q * static_cast<double>(total);
  const double worst = static_cast<double>(gaps.worst_ns) * 1e-9;
  double below = 0, low = 0, high = GapHistogram::kShortest * GapHistogram::kRatio;
  for (std::size_t i = 0; i < GapHistogram::kBins; ++i) {
    const auto here = static_cast<double>(gaps.count[i]);
    if (here > 0 && below + here >= wanted) {
      const double end = i + 1 == GapHistogram::kBins ? std::max(worst, low) : high;
      return std::min(worst, low + (end - low) * (wanted - below) / here);
    }
    below += here;
    low = high;
    high *= GapHistogram::kRatio;
  }
  return worst;
}

}  // namespace

Distribution describe_gaps(const GapHistogram& gaps) {
  std::uint64_t total = 0;
  for (std::uint64_t count : gaps.count) total += count;
  Distribution result;
  result.count = static_cast<std::int64_t>(total);
  if (total == 0) return result;
  result.mean.value = gaps.sum_seconds / static_cast<double>(total);
  result.p50.value = gap_quantile(gaps, 0.5, total);
  result.p90.value = gap_quantile(gaps, 0.9, total);
  result.p99.value = gap_quantile(gaps, 0.99, total);
  result.worst = static_cast<double>(gaps.worst_ns) * 1e-9;
  return result;
}

}  // namespace scsim::analysis
