#include <algorithm>

#include "analysis/chart_json.h"
#include "analysis/lifetimes.h"

namespace scsim::analysis {
namespace {

constexpr double kTail = 0.002;  // shorter times than these share a bar

struct BinRange {
  std::size_t first = 0, last = 0;
};

// From the first bin that matters to the last that holds something.
BinRange bins_that_matter(const LifetimeBins& bins) {
  double all = 0;
  for (std::uint64_t count : bins) all += static_cast<double>(count);
  BinRange range{.first = 0, .last = bins.size()};
  while (range.last > 0 && bins[range.last - 1] == 0) --range.last;
  for (std::uint64_t below = bins[0];
       range.first + 1 < range.last && static_cast<double>(below) < kTail * all;
       below += bins[range.first])
    ++range.first;
  return range;
}

std::vector<double> parts_of(const LifetimeBins& bins, const BinRange& range) {
  std::vector<double> parts(range.last - range.first, 0);
  for (std::size_t i = 0; i < range.last; ++i)
    parts[std::max(i, range.first) - range.first] += static_cast<double>(bins[i]);
  return parts;
}

LifetimeBins all_reasons(const LifetimeHistogram& lifetimes) {
  LifetimeBins bins{};
  for (const LifetimeBins& count : lifetimes.count)
    for (std::size_t i = 0; i < count.size(); ++i) bins[i] += count[i];
  return bins;
}

}  // namespace

std::string lifetime_chart(const LifetimeHistogram& lifetimes, const LifetimeHistogram* gaps) {
  const LifetimeBins between = gaps == nullptr ? LifetimeBins{} : all_reasons(*gaps);
  LifetimeBins shown = all_reasons(lifetimes);
  for (std::size_t i = 0; i < shown.size(); ++i) shown[i] += between[i];
  const BinRange range = bins_that_matter(shown);
  std::vector<std::string> labels, rows;
  double high = 1.0 / (1 << 19);  // bin i ends at 2^(i - 19) s
  for (std::size_t i = 0; i < range.last; ++i, high *= 2)
    if (i >= range.first) labels.push_back("to " + format_seconds(high));
  for (std::size_t reason = 0; reason < kBlockEndNames.size(); ++reason) {
    const LifetimeBins& count = lifetimes.count[reason];
    if (std::ranges::all_of(count, [](std::uint64_t blocks) { return blocks == 0; })) continue;
    rows.push_back(row(reason_text(kBlockEndNames[reason]), parts_of(count, range)));
  }
  std::vector<std::string> members = {member("labels", texts(labels)), member("rows", array(rows))};
  if (gaps != nullptr) members.push_back(member("gaps", numbers(parts_of(between, range))));
  return object(members);
}

}  // namespace scsim::analysis
