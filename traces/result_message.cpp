#include "traces/result_message.h"

#include <algorithm>
#include <bit>

#include "traces/proto/result.pb.h"

namespace scsim {

void LifetimeHistogram::add(std::int64_t blocks, Duration life, BlockEnd why) {
  const double seconds = life.seconds().value();
  const int width = std::bit_width(static_cast<std::uint64_t>(seconds * 1048576.0));  // 2^-20 s
  const std::size_t bin = std::min<std::size_t>(std::max(width - 1, 0), kBins - 1);
  const std::size_t reason = static_cast<std::size_t>(why);
  count[reason][bin] += static_cast<std::uint64_t>(blocks);
  sum_seconds[reason] += static_cast<double>(blocks) * seconds;
}

void fill_lifetimes(const LifetimeHistogram& lifetimes, proto::ResultLifetimes& message) {
  for (const auto& count : lifetimes.count)
    message.mutable_count()->Add(count.begin(), count.end());
  message.mutable_sum_seconds()->Add(lifetimes.sum_seconds.begin(), lifetimes.sum_seconds.end());
}

// A file of an older version may know fewer reasons.
Expected<void> take_lifetimes(const proto::ResultLifetimes& message, LifetimeHistogram& lifetimes) {
  const auto reasons = static_cast<std::size_t>(message.sum_seconds_size());
  if (static_cast<std::size_t>(message.count_size()) != reasons * LifetimeHistogram::kBins ||
      reasons > lifetimes.count.size()) {
    return Error{"the histogram of lifetimes has " + std::to_string(message.count_size()) +
                 " bins for " + std::to_string(reasons) + " reasons"};
  }
  std::ranges::copy(message.sum_seconds(), lifetimes.sum_seconds.begin());
  int next = 0;
  for (std::size_t reason = 0; reason < reasons; ++reason) {
    for (std::uint64_t& count : lifetimes.count[reason]) count = message.count(next++);
  }
  return {};
}

void fill_tier(const TierResult& tier, proto::ResultTier& message) {
  message.set_name(tier.name);
  message.set_medium(tier.medium);
  message.set_scope(tier.scope);
  message.set_policy(tier.policy);
  message.set_codec(tier.codec);
  message.set_lossy(tier.lossy);
  message.set_instances(tier.instances);
  message.set_capacity_bytes(tier.capacity_bytes);
  message.set_price_per_gib_hour(tier.price_per_gib_hour);
  message.set_stored_bytes(tier.stored_bytes);
  message.set_refused_bytes(tier.refused_bytes);
  message.set_evicted_bytes(tier.evicted_bytes);
  message.set_prefetched_bytes(tier.prefetched_bytes);
  message.set_prefetched_used_bytes(tier.prefetched_used_bytes);
  message.set_lost_bytes(tier.lost_bytes);
  message.set_peak_bytes(tier.peak_bytes);
  message.set_fetched_bytes(tier.fetched_bytes);
  message.set_fetched_tokens(tier.fetched_tokens);
  message.set_fetched_lossy_tokens(tier.fetched_lossy_tokens);
  message.set_avoided_ns(tier.avoided_ns);
  message.set_avoided_gpu_seconds(tier.avoided_gpu_seconds);
  message.set_avoided_dollars(tier.avoided_dollars);
  fill_lifetimes(tier.lifetimes, *message.mutable_lifetimes());
  fill_lifetimes(tier.gaps, *message.mutable_gaps());
  message.mutable_charged_byte_seconds()->Add(tier.charged_byte_seconds.begin(),
                                              tier.charged_byte_seconds.end());
  message.mutable_stored_byte_seconds()->Add(tier.stored_byte_seconds.begin(),
                                             tier.stored_byte_seconds.end());
  message.mutable_used_bytes()->mutable_value()->Add(tier.used_bytes.begin(),
                                                     tier.used_bytes.end());
  for (const std::vector<float>& tenant : tier.used_bytes_by_tenant)
    message.add_used_bytes_by_tenant()->mutable_value()->Add(tenant.begin(), tenant.end());
}

Expected<void> take_tier(const proto::ResultTier& message, Result& result) {
  if (result.tiers.size() == FetchResult::kMaxTiers) {
    return Error{"more than " + std::to_string(FetchResult::kMaxTiers) + " tiers"};
  }
  TierResult& tier = result.tiers.emplace_back();
  tier.name = message.name();
  tier.medium = message.medium();
  tier.scope = message.scope();
  tier.policy = message.policy();
  tier.codec = message.codec();
  tier.lossy = message.lossy();
  tier.instances = message.instances();
  tier.capacity_bytes = message.capacity_bytes();
  tier.price_per_gib_hour = message.price_per_gib_hour();
  tier.stored_bytes = message.stored_bytes();
  tier.refused_bytes = message.refused_bytes();
  tier.evicted_bytes = message.evicted_bytes();
  tier.prefetched_bytes = message.prefetched_bytes();
  tier.prefetched_used_bytes = message.prefetched_used_bytes();
  tier.lost_bytes = message.lost_bytes();
  tier.peak_bytes = message.peak_bytes();
  tier.fetched_bytes = message.fetched_bytes();
  tier.fetched_tokens = message.fetched_tokens();
  tier.fetched_lossy_tokens = message.fetched_lossy_tokens();
  tier.avoided_ns = message.avoided_ns();
  tier.avoided_gpu_seconds = message.avoided_gpu_seconds();
  tier.avoided_dollars = message.avoided_dollars();
  if (const auto taken = take_lifetimes(message.lifetimes(), tier.lifetimes); !taken) return taken;
  if (const auto taken = take_lifetimes(message.gaps(), tier.gaps); !taken) return taken;
  tier.charged_byte_seconds.assign(message.charged_byte_seconds().begin(),
                                   message.charged_byte_seconds().end());
  tier.stored_byte_seconds.assign(message.stored_byte_seconds().begin(),
                                  message.stored_byte_seconds().end());
  const auto& used = message.used_bytes().value();
  tier.used_bytes.assign(used.begin(), used.end());
  for (const proto::ResultTier::OverTime& tenant : message.used_bytes_by_tenant())
    tier.used_bytes_by_tenant.emplace_back(tenant.value().begin(), tenant.value().end());
  return {};
}

void fill_link(const LinkResult& link, proto::ResultLink& message) {
  message.set_name(link.name);
  message.set_bytes_per_second(link.bytes_per_second);
  message.set_bytes(link.bytes);
  message.set_busy_ns(link.busy_ns);
  message.mutable_carried()->Add(link.carried.begin(), link.carried.end());
  message.set_price_per_gb(link.price_per_gb);
  message.mutable_bytes_by_tenant()->Add(link.bytes_by_tenant.begin(), link.bytes_by_tenant.end());
  message.set_down_ns(link.down_ns);
  message.set_rerouted(link.rerouted);
}

void take_link(const proto::ResultLink& message, Result& result) {
  LinkResult& link = result.links.emplace_back();
  link.name = message.name();
  link.bytes_per_second = message.bytes_per_second();
  link.bytes = message.bytes();
  link.busy_ns = message.busy_ns();
  link.carried.assign(message.carried().begin(), message.carried().end());
  link.price_per_gb = message.price_per_gb();
  link.bytes_by_tenant.assign(message.bytes_by_tenant().begin(), message.bytes_by_tenant().end());
  link.down_ns = message.down_ns();
  link.rerouted = message.rerouted();
}

void fill_transfers(std::span<const TransferResult> transfers, proto::ResultRequests& columns) {
  for (const TransferResult& transfer : transfers) {
    columns.add_prefill_engine(transfer.prefill_engine);
    columns.add_prefill_local(static_cast<std::uint32_t>(transfer.local));
    columns.add_transfer_tokens(transfer.tokens);
    columns.add_transfer_bytes(transfer.bytes);
    columns.add_transfer_ns(transfer.moving_ns);
    columns.add_transfer_wait_ns(transfer.wait_ns);
  }
}

Expected<void> take_transfers(const proto::ResultRequests& columns, Result& result) {
  if (columns.prefill_engine_size() == 0) return {};
  const int rows = columns.request_size();
  for (const int size : {columns.prefill_engine_size(), columns.prefill_local_size(),
                         columns.transfer_tokens_size(), columns.transfer_bytes_size(),
                         columns.transfer_ns_size(), columns.transfer_wait_ns_size()}) {
    if (size != rows) return Error{"the columns of the requests' transfers differ in length"};
  }
  for (int row = 0; row < rows; ++row) {
    TransferResult& transfer = result.transfers.emplace_back();
    transfer.prefill_engine = columns.prefill_engine(row);
    if (transfer.prefill_engine < -1 ||
        transfer.prefill_engine >= static_cast<std::int64_t>(result.engines.size()) ||
        columns.prefill_local(row) >= kLocalNames.size())
      return Error{"a prompt was computed at an engine, or there for a reason, that is not there"};
    transfer.local = static_cast<TransferResult::Local>(columns.prefill_local(row));
    transfer.tokens = columns.transfer_tokens(row);
    transfer.bytes = columns.transfer_bytes(row);
    transfer.moving_ns = columns.transfer_ns(row);
    transfer.wait_ns = columns.transfer_wait_ns(row);
  }
  return {};
}

void fill_failure(const FailureResult& failure, proto::ResultFailure& message) {
  message.set_what(failure.what);
  message.set_which(failure.which);
  message.set_begin_ns(failure.begin.ns());
  message.set_end_ns(failure.end.ns());
  message.set_requests(failure.requests);
  message.set_lost_tokens(failure.lost_tokens);
  message.set_lost_bytes(failure.lost_bytes);
}

void take_failure(const proto::ResultFailure& message, Result& result) {
  FailureResult& failure = result.failures.emplace_back();
  failure.what = message.what();
  failure.which = message.which();
  failure.begin = TimePoint(message.begin_ns());
  failure.end = TimePoint(message.end_ns());
  failure.requests = message.requests();
  failure.lost_tokens = message.lost_tokens();
  failure.lost_bytes = message.lost_bytes();
}

}  // namespace scsim
