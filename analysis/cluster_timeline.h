// The engines' timelines as one: mean over engines, and the lowest and highest engine as a band.
#pragma once

#include <vector>

#include "traces/result.h"

namespace scsim::analysis {

struct Band {
  std::vector<double> mean, low, high;  // one value a point
};

struct ClusterTimeline {
  double point_seconds = 0;
  std::size_t engines = 0;
  Band running, waiting, used, cached, busy;  // as in EngineTimeline
  std::size_t points() const { return running.mean.size(); }
};

// The means of every `bins_per_point` bins of a series; the last point may have fewer.
std::vector<double> merged_bins(const std::vector<float>& series, std::size_t bins_per_point);

// Neighbouring bins are averaged until at most `points` are left.
ClusterTimeline cluster_timeline(const Result& result, std::size_t points);

}  // namespace scsim::analysis
