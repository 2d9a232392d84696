// A quantity over time, averaged in equal bins whose width doubles when they run out.
//
// So a run of any length is drawn with the same number of points, and an engine's memory for it is
// constant. All timelines of a run share their bin width.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "traces/time.h"

namespace scsim::sim {

template <std::size_t kSeries>
class Timeline {
 public:
  explicit Timeline(std::size_t bins, Duration width) : width_(width), sums_(bins) {}

  // The values held from the last call (or 0) until `now`.
  void advance(TimePoint now, const std::array<double, kSeries>& values) {
    std::int64_t from = last_.ns();
    const std::int64_t to = now.ns();
    last_ = now;
    while (from < to) {
      while (static_cast<std::size_t>(from / width_.ns()) >= sums_.size()) halve();
      const std::int64_t bin = from / width_.ns();
      const std::int64_t end = std::min((bin + 1) * width_.ns(), to);
      for (std::size_t s = 0; s < kSeries; ++s) {
        sums_[static_cast<std::size_t>(bin)][s] += values[s] * static_cast<double>(end - from);
      }
      from = end;
    }
  }
  // Makes the bins at least this wide: a power of two times the first width.
  void widen(Duration width) {
    while (width_ < width) halve();
  }
  Duration width() const { return width_; }
  // Means of one series over the bins up to `end`.
  std::vector<float> means(std::size_t series, TimePoint end) const {
    std::vector<float> all;
    for (std::int64_t begin = 0; begin < end.ns(); begin += width_.ns()) {
      const double length = static_cast<double>(std::min(width_.ns(), end.ns() - begin));
      const std::size_t bin = static_cast<std::size_t>(begin / width_.ns());
      all.push_back(bin < sums_.size() ? static_cast<float>(sums_[bin][series] / length) : 0.0f);
    }
    return all;
  }

 private:
  void halve() {
    for (std::size_t bin = 0; bin < sums_.size(); ++bin) {
      std::array<double, kSeries> sum{};
      for (std::size_t part = 2 * bin; part < 2 * bin + 2 && part < sums_.size(); ++part) {
        for (std::size_t s = 0; s < kSeries; ++s) sum[s] += sums_[part][s];
      }
      sums_[bin] = sum;
    }
    width_ = width_ * 2;
  }

  Duration width_;
  TimePoint last_{};
  std::vector<std::array<double, kSeries>> sums_;
};

}  // namespace scsim::sim
