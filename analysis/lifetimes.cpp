#include "analysis/lifetimes.h"

#include <algorithm>

namespace scsim::analysis {
namespace {

double lifetime_quantile(const LifetimeBins& count, std::uint64_t total, double q) {
  const double wanted = q * static_cast<double>(total);
  double below = 0, low = 0, high = 1.0 / (1 << 19);  // bin i ends at 2^(i - 19) s
  for (std::uint64_t blocks : count) {
    const auto here = static_cast<double>(blocks);
    if (here > 0 && below + here >= wanted) return low + (high - low) * (wanted - below) / here;
    below += here;
    low = high;
    high *= 2;
  }
  return low;
}

}  // namespace

LifetimeSummary summarise_lives(std::string_view reason, const LifetimeBins& count,
                                double sum_seconds) {
  LifetimeSummary life;
  life.reason = reason;
  for (std::uint64_t blocks : count) life.blocks += blocks;
  if (life.blocks == 0) return life;
  life.mean = sum_seconds / static_cast<double>(life.blocks);
  life.p50 = lifetime_quantile(count, life.blocks, 0.5);
  life.p90 = lifetime_quantile(count, life.blocks, 0.9);
  return life;
}

LifetimeSummary summarise_lives(std::string_view what, const LifetimeHistogram& lifetimes) {
  LifetimeBins all{};
  double sum_seconds = 0;
  for (std::size_t reason = 0; reason < lifetimes.count.size(); ++reason) {
    for (std::size_t bin = 0; bin < all.size(); ++bin) all[bin] += lifetimes.count[reason][bin];
    sum_seconds += lifetimes.sum_seconds[reason];
  }
  return summarise_lives(what, all, sum_seconds);
}

std::vector<LifetimeSummary> lives_by_reason(const LifetimeHistogram& lifetimes,
                                             std::size_t always) {
  std::vector<LifetimeSummary> rows;
  for (std::size_t reason = 0; reason < kBlockEndNames.size(); ++reason) {
    const LifetimeSummary life = summarise_lives(kBlockEndNames[reason], lifetimes.count[reason],
                                                 lifetimes.sum_seconds[reason]);
    if (reason < always || life.blocks > 0) rows.push_back(life);
  }
  return rows;
}

std::string reason_text(std::string_view reason) {
  std::string text(reason);
  std::ranges::replace(text, '_', ' ');
  return text;
}

}  // namespace scsim::analysis
