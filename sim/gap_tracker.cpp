#include "sim/gap_tracker.h"

#include <algorithm>
#include <cmath>

#include "traces/gap_histogram.h"

namespace scsim::sim {
namespace {

constexpr std::size_t kBins = GapHistogram::kBins;

}  // namespace

void add_gap(GapHistogram& histogram, std::int64_t gap_ns) { count_gap(histogram, gap_ns); }

void GapTracker::join(Member member, std::uint32_t tenant, std::uint32_t turn, TimePoint now) {
  if (static_cast<std::size_t>(member) >= readings_.size()) {
    readings_.resize(static_cast<std::size_t>(member) + 1);
  }
  Reading& reading = readings_[member];
  reading.since = now;
  reading.tenant = tenant;
  reading.turn = turn;
  reading.newcomer = true;
  newcomers_.push_back(member);
}

TimePoint GapTracker::last_token(Member member) const {
  const Reading& reading = readings_[member];
  return reading.newcomer ? reading.since : last_end_;
}

void GapTracker::leave(Member member) {
  const Reading& reading = readings_[member];
  if (reading.newcomer) {
    std::erase(newcomers_, member);
    return;
  }
  GapHistogram& tenant = book_.by_tenant[reading.tenant];
  GapHistogram& turn = book_.by_turn[reading.turn];
  for (std::size_t bin = lowest_; bin <= highest_ && bin < kBins; ++bin) {
    const std::uint32_t times = count_[bin] - reading.count[bin];
    tenant.count[bin] += times;
    turn.count[bin] += times;
  }
  const double seconds = (last_end_ - reading.since).seconds().value();
  tenant.sum_seconds += seconds;
  turn.sum_seconds += seconds;
  const auto peak = std::upper_bound(peaks_.begin(), peaks_.end(), reading.since,
                                     [](TimePoint t, const Peak& p) { return t < p.end; });
  if (peak != peaks_.end()) {
    tenant.worst_ns = std::max(tenant.worst_ns, peak->ns);
    turn.worst_ns = std::max(turn.worst_ns, peak->ns);
  }
}

void GapTracker::count_gap(std::size_t bin, std::uint32_t times) {
  count_[bin] += times;
  lowest_ = std::min(lowest_, bin);
  highest_ = std::max(highest_, bin);
}

void GapTracker::add_peak(TimePoint end, std::int64_t ns) {
  while (!peaks_.empty() && peaks_.back().ns <= ns) peaks_.pop_back();
  peaks_.push_back({end, ns});
}

void GapTracker::steps(std::int64_t count, TimePoint first_end, double second, double last,
                       TimePoint last_end) {
  // Before the group's first step nobody is anything but a newcomer, and this gap means nothing.
  const Duration first = first_end - last_end_;
  count_gap(gap_bin(first.seconds().value()), 1);
  add_peak(first_end, first.ns());
  for (const Member member : newcomers_) {
    Reading& reading = readings_[member];
    const Duration gap = first_end - reading.since;
    add_gap(book_.by_tenant[reading.tenant], gap.ns());
    add_gap(book_.by_turn[reading.turn], gap.ns());
    reading.newcomer = false;
    reading.since = first_end;
    reading.count = count_;
  }
  newcomers_.clear();
  last_end_ = last_end;
  std::int64_t left = count - 1;
  if (left == 0) return;

  const std::size_t last_bin = gap_bin(last);
  const double growth = left > 1 ? (last - second) / static_cast<double>(left - 1) : 0;
  for (std::size_t bin = gap_bin(second); bin < last_bin && growth > 0; ++bin) {
    const double upto = (gap_edges()[bin + 1] - second) / growth;  // steps shorter than the edge
    const std::int64_t done = (count - 1) - left;
    const std::int64_t here =
        std::clamp<std::int64_t>(static_cast<std::int64_t>(std::ceil(upto)) - done, 0, left);
    count_gap(bin, static_cast<std::uint32_t>(here));
    left -= here;
  }
  count_gap(last_bin, static_cast<std::uint32_t>(left));
  add_peak(last_end, static_cast<std::int64_t>(last * 1e9 + 0.5));
}

}  // namespace scsim::sim
