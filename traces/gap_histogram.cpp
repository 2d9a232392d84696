#include "traces/gap_histogram.h"

#include <algorithm>

namespace scsim {

const std::array<double, GapHistogram::kBins>& gap_edges() {
  static const std::array<double, GapHistogram::kBins> edges = [] {
    std::array<double, GapHistogram::kBins> all{};
    double edge = GapHistogram::kShortest;
    for (double& value : all) {
      value = edge;
      edge *= GapHistogram::kRatio;
    }
    return all;
  }();
  return edges;
}

std::size_t gap_bin(double seconds) {
  const auto& edges = gap_edges();
  const auto above = std::upper_bound(edges.begin(), edges.end(), seconds);
  return above == edges.begin() ? 0 : static_cast<std::size_t>(above - edges.begin()) - 1;
}

void count_gap(GapHistogram& histogram, std::int64_t gap_ns) {
  const double seconds = static_cast<double>(gap_ns) * 1e-9;
  ++histogram.count[gap_bin(seconds)];
  histogram.sum_seconds += seconds;
  histogram.worst_ns = std::max(histogram.worst_ns, gap_ns);
}

}  // namespace scsim
