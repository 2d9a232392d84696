#include "analysis/window.h"

#include <algorithm>

#include "traces/check.h"
#include "traces/text.h"

namespace scsim::analysis {
namespace {

constexpr std::size_t kTail = 100;         // the last of so many requests are left out
constexpr double kBatchOfArrivals = 0.05;  // of the run, at most: an offline batch

}  // namespace

Window measured_window(const Result& result, double warm_up) {
  SCSIM_CHECK(warm_up >= 0 && warm_up <= 0.9);
  Window window;
  window.begin = TimePoint(0);
  window.end = result.end;
  window.whole_run = true;
  if (result.requests.empty()) return window;

  const std::size_t requests = result.requests.size();
  window.first_arrival = result.requests.front().arrival;
  window.last_arrival = result.requests.back().arrival;
  const TimePoint end = result.requests[requests - 1 - requests / kTail].arrival;
  const Duration span = end - window.first_arrival;
  const Duration run = std::max(result.end, window.last_arrival) - window.first_arrival;
  if (static_cast<double>(span.ns()) <= kBatchOfArrivals * static_cast<double>(run.ns())) {
    window.begin = window.first_arrival;
    window.end = window.first_arrival + run;
    return window;
  }
  window.whole_run = false;
  window.begin = window.first_arrival +
                 Duration(static_cast<std::int64_t>(warm_up * static_cast<double>(span.ns())));
  window.end = end;
  return window;
}

std::string window_sentence(const Window& window) {
  if (window.whole_run)
    return "the whole run, since the requests arrive within the first twentieth of it: no warm-up "
           "or "
           "drain is left out";
  const double warm_up = (window.begin - window.first_arrival).seconds().value();
  return "requests that arrived from " + format_seconds(window.begin.seconds().value()) + " to " +
         format_seconds(window.end.seconds().value()) + ", when 99 % had come, after " +
         format_seconds(warm_up) +
         " of warm-up; rates and utilisation are of this time, without the "
         "drain";
}

std::optional<double> mean_over(const std::vector<float>& series, Duration bin,
                                const Window& window) {
  if (bin.ns() <= 0) return std::nullopt;
  double weighted = 0, weight = 0;
  const auto first = static_cast<std::size_t>(window.begin.ns() / bin.ns());
  for (std::size_t i = first; i < series.size(); ++i) {
    const std::int64_t from = bin.ns() * static_cast<std::int64_t>(i);
    if (from >= window.end.ns()) break;
    const std::int64_t begin = std::max(from, window.begin.ns());
    const std::int64_t end = std::min(from + bin.ns(), window.end.ns());
    weighted += static_cast<double>(series[i]) * static_cast<double>(end - begin);
    weight += static_cast<double>(end - begin);
  }
  if (weight <= 0) return std::nullopt;
  return weighted / weight;
}

BinRange whole_bins(Duration bin, std::size_t bins, const Window& window) {
  if (bin.ns() <= 0) return {};
  const auto first = static_cast<std::size_t>((window.begin.ns() + bin.ns() - 1) / bin.ns());
  const auto end = std::min(bins, static_cast<std::size_t>(window.end.ns() / bin.ns()));
  return {first, end > first ? end - first : 0};
}

}  // namespace scsim::analysis
