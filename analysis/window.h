// Which part of a run is measured.
//
// A run starts with empty engines and an empty cache, and ends by working off what is left, and
// neither says how the cluster serves. So
//   * the window ends when 99 of 100 requests have arrived (the last few sessions of a closed loop
//     would else stretch it over a time in which hardly anybody comes), and begins after the first
//     tenth of the time from the first arrival to there, the warm-up;
//   * latencies, hit ratios, stages and SLO attainment are of requests that arrived in the window,
//     whenever they ended; rates, utilisation and queues are of the window, without the drain;
//   * where all that time is less than a twentieth of the run (an offline batch, a single request),
//     there is no such middle, and nothing is left out.
// What a file holds only as a total of the run (gaps between tokens, the engines' ledgers,
// lifetimes of blocks) is reported as such.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "traces/result.h"

namespace scsim::analysis {

struct Window {
  TimePoint first_arrival, last_arrival;
  TimePoint begin, end;    // of what is measured; requests: begin <= arrival <= end
  bool whole_run = false;  // nothing is left out

  double seconds() const { return (end - begin).seconds().value(); }
  bool measures(const RequestResult& request) const {
    return request.arrival >= begin && request.arrival <= end;
  }
};

// `warm_up`: the part of that time that is left out, 0 .. 0.9.
Window measured_window(const Result& result, double warm_up);

// The rule that gave `window`, as a sentence for people.
std::string window_sentence(const Window& window);

// Mean of a timeline over the window; bins that the window cuts count in part. Empty where the
// timeline has no bin there.
std::optional<double> mean_over(const std::vector<float>& series, Duration bin,
                                const Window& window);

// The first bin that begins in the window, and how many bins lie wholly in it.
struct BinRange {
  std::size_t first = 0, count = 0;
};
BinRange whole_bins(Duration bin, std::size_t bins, const Window& window);

}  // namespace scsim::analysis
