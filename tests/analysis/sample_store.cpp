#include "tests/analysis/sample_store.h"

#include <limits>

namespace scsim::analysis {
namespace {

constexpr std::int64_t kGib = 1LL << 30;
constexpr std::size_t kTenants = 3;

// The tier holds more and more, up to its capacity; tenants 1 : 2 : 3.
void fill_tier(TierResult& tier, std::size_t bins) {
  tier.used_bytes_by_tenant.resize(kTenants);
  for (std::size_t bin = 0; bin < bins; ++bin) {
    const double used = static_cast<double>(tier.capacity_bytes) * static_cast<double>(bin) /
                        static_cast<double>(bins);
    tier.used_bytes.push_back(static_cast<float>(used));
    for (std::size_t t = 0; t < kTenants; ++t)
      tier.used_bytes_by_tenant[t].push_back(
          static_cast<float>(used * static_cast<double>(t + 1) / 6));
  }
  for (std::size_t t = 0; t < kTenants; ++t) {
    tier.charged_byte_seconds.push_back(3600.0 * static_cast<double>(kGib) *
                                        static_cast<double>(3 - t));
    tier.stored_byte_seconds.push_back(3600.0 * static_cast<double>(kGib) *
                                       static_cast<double>(t + 1));
  }
  tier.peak_bytes = tier.capacity_bytes;
  tier.stored_bytes = 5 * tier.capacity_bytes;
  tier.evicted_bytes = 4 * tier.capacity_bytes;
  tier.refused_bytes = kGib;
  tier.prefetched_bytes = 4 * kGib;
  tier.prefetched_used_bytes = kGib;
  tier.lifetimes.add(600, Duration(90'000'000'000), BlockEnd::kEvicted);
  tier.lifetimes.add(200, Duration(600'000'000'000), BlockEnd::kResident);
  tier.lifetimes.add(100, Duration(30'000'000'000), BlockEnd::kExpired);
  tier.lifetimes.add(50, Duration(3'000'000'000), BlockEnd::kMoved);
  tier.lifetimes.add(10, Duration(1'000'000'000), BlockEnd::kOverQuota);
  tier.gaps.add(4000, Duration(12'000'000'000), BlockEnd::kResident);
}

}  // namespace

void add_store(Result& result) {
  result.store_block_tokens = 256;
  for (const char* medium : {"dram", "remote"}) {
    TierResult& tier = result.tiers.emplace_back();
    tier.name = tier.medium = medium;
    tier.policy = "lru";
  }
  TierResult &dram = result.tiers[0], &remote = result.tiers[1];
  dram.scope = "node";
  dram.instances = 2;
  dram.capacity_bytes = 256 * kGib;
  dram.price_per_gib_hour = 0.004;
  remote.scope = "cluster";
  remote.instances = 1;
  remote.capacity_bytes = 4096 * kGib;
  remote.codec = "int4";
  remote.lossy = true;
  const std::size_t bins = result.engines.front().timeline.running.size();
  for (TierResult& tier : result.tiers) fill_tier(tier, bins);

  // A quarter of what was not found comes from each tier, for requests beyond a first turn.
  for (const RequestResult& r : result.requests) {
    FetchResult& fetch = result.fetches.emplace_back();
    if (r.turn == 0 || r.outcome != Outcome::kFinished) continue;
    const std::int64_t part = (r.prompt_tokens - r.found_tokens) / 4;
    fetch.tokens[0] = fetch.tokens[1] = fetch.lossy_tokens = part;
    fetch.found_lossy_tokens = r.found_tokens / 10;
    fetch.avoided_ns = 100'000 * part;
    fetch.wait_ns = 10'000 * part;
    for (TierResult& tier : result.tiers) {
      tier.fetched_tokens += part;
      tier.fetched_bytes += part * 131072;
      tier.avoided_ns += 50'000 * part;
      tier.avoided_gpu_seconds += 5e-5 * static_cast<double>(part);
      tier.avoided_dollars += 5e-5 * static_cast<double>(part) / 3600 * 2.5;
    }
    remote.fetched_lossy_tokens += part;
  }
  result.engines.front().abandoned_loads = 2;

  const auto link = [&](const char* name, double limit, std::int64_t bytes) {
    LinkResult& added = result.links.emplace_back();
    added.name = name;
    added.bytes_per_second = limit;
    added.bytes = bytes;
    added.busy_ns = bytes > 0 ? result.end.ns() / 4 : 0;
    const double mean = static_cast<double>(bytes) / result.end.seconds().value();
    added.carried.assign(bins, static_cast<float>(mean));
  };
  link("node0 -> node0.dram", 300e9, 400 * kGib);
  link("node0.dram -> node0", 300e9, 900 * kGib);
  link("node0 -> switch", std::numeric_limits<double>::infinity(), 100 * kGib);
  link("switch -> node0", 50e9, 0);
}

}  // namespace scsim::analysis
