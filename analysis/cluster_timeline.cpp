#include "analysis/cluster_timeline.h"

#include <algorithm>

#include "traces/check.h"

namespace scsim::analysis {
namespace {

// Mean of `series` over bins [from, to) that it has.
double bin_mean(const std::vector<float>& series, std::size_t from, std::size_t to) {
  to = std::min(to, series.size());
  if (from >= to) return 0;
  double sum = 0;
  for (std::size_t i = from; i < to; ++i) sum += static_cast<double>(series[i]);
  return sum / static_cast<double>(to - from);
}

Band band_over_engines(const Result& result, std::vector<float> EngineTimeline::*series,
                       std::size_t points, std::size_t bins_per_point) {
  Band band;
  for (std::size_t p = 0; p < points; ++p) {
    double sum = 0, low = 0, high = 0;
    for (std::size_t e = 0; e < result.engines.size(); ++e) {
      const double value = bin_mean(result.engines[e].timeline.*series, p * bins_per_point,
                                    (p + 1) * bins_per_point);
      sum += value;
      low = e == 0 ? value : std::min(low, value);
      high = e == 0 ? value : std::max(high, value);
    }
    band.mean.push_back(sum / static_cast<double>(result.engines.size()));
    band.low.push_back(low);
    band.high.push_back(high);
  }
  return band;
}

}  // namespace

std::vector<double> merged_bins(const std::vector<float>& series, std::size_t bins_per_point) {
  SCSIM_CHECK(bins_per_point > 0);
  std::vector<double> points;
  for (std::size_t from = 0; from < series.size(); from += bins_per_point)
    points.push_back(bin_mean(series, from, from + bins_per_point));
  return points;
}

ClusterTimeline cluster_timeline(const Result& result, std::size_t points) {
  SCSIM_CHECK(points > 0);
  std::size_t bins = 0;
  for (const EngineResult& engine : result.engines)
    bins = std::max(bins, engine.timeline.running.size());
  ClusterTimeline timeline;
  timeline.engines = result.engines.size();
  if (bins == 0) return timeline;
  const std::size_t bins_per_point = (bins + points - 1) / points;
  const std::size_t count = (bins + bins_per_point - 1) / bins_per_point;
  timeline.point_seconds =
      result.timeline_bin.seconds().value() * static_cast<double>(bins_per_point);
  const auto band = [&](std::vector<float> EngineTimeline::*series) {
    return band_over_engines(result, series, count, bins_per_point);
  };
  timeline.running = band(&EngineTimeline::running);
  timeline.waiting = band(&EngineTimeline::waiting);
  timeline.used = band(&EngineTimeline::used_blocks);
  timeline.cached = band(&EngineTimeline::cached_blocks);
  timeline.busy = band(&EngineTimeline::busy);
  return timeline;
}

}  // namespace scsim::analysis
