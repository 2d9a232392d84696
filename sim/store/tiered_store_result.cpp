// What a run's result says of the tiers and the links between them.
#include <algorithm>

#include "sim/store/tiered_store.h"

namespace scsim::sim {

namespace {

void add_histogram(const LifetimeHistogram& from, LifetimeHistogram& into) {
  for (std::size_t why = 0; why < from.count.size(); ++why) {
    for (std::size_t bin = 0; bin < LifetimeHistogram::kBins; ++bin)
      into.count[why][bin] += from.count[why][bin];
    into.sum_seconds[why] += from.sum_seconds[why];
  }
}

template <class T>
void add_vector(const std::vector<T>& from, std::vector<T>& into) {
  if (from.size() > into.size()) into.resize(from.size());
  for (std::size_t i = 0; i < from.size(); ++i) into[i] += from[i];
}

}  // namespace

Duration TieredStore::timeline_width() const {
  Duration width{};
  for (std::size_t t = 0; t < store_->num_tiers(); ++t)
    width = std::max(width, store_->tier(static_cast<TierId>(t)).timeline_width());
  return width;
}

void TieredStore::end_of_run(Result& result) {
  result.store_block_tokens = settings_.block_tokens;
  for (std::size_t level = 0; level < settings_.tiers.size(); ++level) {
    const TierSettings& tier = settings(level);
    TierResult& total = totals_[level];
    total.name = tier.name;
    total.medium = tier.medium;
    total.scope = tier.scope == TierSettings::Scope::kEngine ? "engine"
                  : tier.scope == TierSettings::Scope::kNode ? "node"
                                                             : "cluster";
    total.policy = tier.eviction.entry->name;
    total.codec = tier.codec.name;
    total.lossy = tier.codec.lossy;
    total.price_per_gib_hour = tier.price_per_gib_hour;
  }
  for (std::size_t t = 0; t < store_->num_tiers(); ++t) {
    Tier& tier = store_->tier(static_cast<TierId>(t));
    TierResult& total = totals_[instances_[t].level];
    tier.end_of_run(result.end);
    const TierStatistics& statistics = tier.statistics();
    ++total.instances;
    total.capacity_bytes += tier.capacity();
    total.stored_bytes += statistics.stored_bytes;
    total.refused_bytes += statistics.refused_bytes;
    total.evicted_bytes += statistics.evicted_bytes;
    total.lost_bytes += statistics.lost_bytes;
    total.prefetched_bytes += statistics.prefetched_bytes;
    total.prefetched_used_bytes += statistics.prefetched_used_bytes;
    total.peak_bytes += statistics.peak_bytes;
    add_histogram(statistics.lifetimes, total.lifetimes);
    add_histogram(statistics.gaps, total.gaps);
    add_vector(statistics.byte_seconds, total.charged_byte_seconds);
    add_vector(statistics.stored_byte_seconds, total.stored_byte_seconds);
    add_vector(tier.occupancy(result.timeline_bin, result.end), total.used_bytes);
    for (std::size_t tenant = 0; tenant < tier.tenants_seen(); ++tenant) {
      if (tenant >= total.used_bytes_by_tenant.size())
        total.used_bytes_by_tenant.resize(tenant + 1);
      add_vector(
          tier.occupancy_of(static_cast<std::uint32_t>(tenant), result.timeline_bin, result.end),
          total.used_bytes_by_tenant[tenant]);
    }
  }
  result.tiers = totals_;
}

}  // namespace scsim::sim
