#include "sim/store/tier.h"

#include <algorithm>

#include "sim/store/kv_store.h"

namespace scsim::sim {
namespace {

constexpr std::size_t kTimelineBins = 512;
constexpr Duration kTimelineWidth{100'000'000};

}  // namespace

using State = Resident::State;

Tier::Tier(TierId id, TierOptions options, Runs& runs, KvStore& store)
    : id_(id),
      options_(std::move(options)),
      runs_(runs),
      store_(store),
      timeline_(kTimelineBins, kTimelineWidth) {
  SCSIM_CHECK_GE(options_.capacity, 0);
  capacity_ = options_.capacity;
  recompute_ = options_.recompute_seconds;
  block_tokens_ = runs.block_tokens();
  partitions_.resize(1 + options_.limits.size());
  for (std::size_t i = 0; i < options_.limits.size(); ++i) {
    const TenantLimit& limit = options_.limits[i];
    partitions_[i + 1].quota = limit.quota;
    partitions_[i + 1].guarantee = limit.guarantee;
  }
  for (Partition& partition : partitions_) partition.policy = options_.eviction.make(*this);
  const Duration ttl = partitions_[0].policy->ttl();
  if (ttl > Duration{} && (options_.ttl == Duration{} || ttl < options_.ttl)) options_.ttl = ttl;
}

void Tier::join(std::uint32_t tenant, std::size_t limit) {
  SCSIM_CHECK_LT(limit + 1, partitions_.size());
  if (tenant >= partition_of_tenant_.size()) partition_of_tenant_.resize(tenant + 1, 0);
  partition_of_tenant_[tenant] = static_cast<std::uint32_t>(limit + 1);
}

std::int64_t Tier::used_by(std::uint32_t tenant) const {
  return tenant < tenant_used_.size() ? tenant_used_[tenant] : 0;
}

// ---- slots, and who is behind whom ----

CopyId Tier::new_slot(RunId run) {
  CopyId copy;
  if (unused_.empty()) {
    copy = static_cast<CopyId>(slots_.size());
    slots_.emplace_back();
  } else {
    copy = unused_.back();
    unused_.pop_back();
    slots_[index(copy)] = Resident{};
  }
  Resident& resident = slots_[index(copy)];
  resident.run = run;
  resident.begin = runs_[run].begin;
  resident.blocks = static_cast<std::int32_t>(runs_[run].blocks());
  runs_[run].payload.add(id_, copy);
  return copy;
}

void Tier::drop_slot(CopyId copy) {
  const RunId run = slots_[index(copy)].run;
  slots_[index(copy)] = Resident{};
  unused_.push_back(copy);
  runs_[run].payload.remove(id_);
  store_.drop_if_bare(run);
}

CopyId Tier::add_child(RunId parent) {
  if (parent == Runs::kRoot) return kNoCopy;
  CopyId copy = runs_[parent].payload.in(id_);
  if (copy == kNoCopy) {
    copy = new_slot(parent);
    slots_[index(copy)].state = State::kStub;
  }
  Resident& resident = slots_[index(copy)];
  const bool was = resident.evictable();
  ++resident.children;
  if (was) policy_of(copy).evictable(copy, false);
  return copy;
}

void Tier::remove_child(CopyId copy) {
  if (copy == kNoCopy) return;
  Resident& resident = slots_[index(copy)];
  SCSIM_CHECK_GT(resident.children, 0);
  --resident.children;
  if (resident.evictable()) policy_of(copy).evictable(copy, true);
  if (resident.state == State::kStub && resident.children == 0) drop_slot(copy);
}

void Tier::pin(CopyId copy) {
  Resident& resident = slots_[index(copy)];
  const bool was = resident.evictable();
  ++resident.pins;
  if (was) policy_of(copy).evictable(copy, false);
}

void Tier::unpin(CopyId copy) {
  Resident& resident = slots_[index(copy)];
  SCSIM_CHECK_GT(resident.pins, 0);
  --resident.pins;
  if (resident.evictable()) policy_of(copy).evictable(copy, true);
}

// ---- what requests do ----

void Tier::request(const Use& use) {
  for (Partition& partition : partitions_) partition.policy->request(use);
}

void Tier::use(CopyId copy, const Use& use) {
  Resident& resident = slots_[index(copy)];
  if (options_.observe) {
    const Duration gap = use.now - resident.last_use;
    statistics_.gaps.add(resident.blocks, gap, BlockEnd::kResident);
    charge(use.tenant, static_cast<double>(resident.bytes()) * gap.seconds().value());
  }
  if (resident.prefetched) {
    statistics_.prefetched_used_bytes += resident.bytes();
    resident.prefetched = false;
  }
  ++resident.uses;
  resident.last_tenant = use.tenant;
  resident.last_use = use.now;
  resident.last_number = use.number;
  if (options_.ttl > Duration{}) {
    unlink(copy);
    link_newest(copy);
  }
  policy_of(copy).used(copy);
}

void Tier::refresh(CopyId copy, const Use& use) {
  Resident& resident = slots_[index(copy)];
  if (options_.observe) {
    const Duration gap = use.now - resident.last_use;
    charge(use.tenant, static_cast<double>(resident.bytes()) * gap.seconds().value());
  }
  resident.last_use = use.now;
  resident.last_number = use.number;
  if (options_.ttl > Duration{}) {
    unlink(copy);
    link_newest(copy);
  }
  policy_of(copy).refreshed(copy);
}

void Tier::recall(RunId run, const Use& use) {
  const CopyId copy = runs_[run].payload.in(id_);
  if (copy == kNoCopy || slots_[index(copy)].state != State::kGhost) return;
  if (static_cast<std::size_t>(slots_[index(copy)].partition) != place_of(use.tenant)) return;
  policy_of(copy).remembered(copy);
}

CopyId Tier::add(RunId run, const Use& use, const ArrivingBlocks& arrival) {
  CopyId copy = runs_[run].payload.in(id_);
  if (copy == kNoCopy) copy = new_slot(run);
  Resident& resident = slots_[index(copy)];
  SCSIM_CHECK(resident.state != State::kCached);
  // A ghost comes back as what it was, or not as one: it counts for those that store it now.
  const auto place = static_cast<std::int16_t>(place_of(use.tenant));
  if (resident.state == State::kGhost &&
      (resident.partition != place || resident.block_bytes != arrival.block_bytes)) {
    policy_of(copy).forget(copy);
    resident.state = State::kStub;
  }
  resident.partition = place;
  resident.block_bytes = arrival.block_bytes;
  resident.stored = resident.last_use = use.now;
  resident.uses = 1;
  resident.last_number = use.number;
  resident.tenant = resident.last_tenant = use.tenant;
  resident.next_use = kNeverUsed;
  resident.lossy = arrival.lossy;
  resident.prefetched = arrival.prefetched;
  resident.pins = 1;  // until the policy has heard of it
  if (resident.state != State::kGhost) resident.state = State::kCached;
  const CopyId parent = add_child(runs_[run].parent);
  Resident& added = slots_[index(copy)];  // which add_child may have moved
  added.parent = parent;
  count(added.tenant, static_cast<std::size_t>(added.partition), added.bytes(), use.now);
  statistics_.stored_bytes += added.bytes();
  if (added.prefetched) statistics_.prefetched_bytes += added.bytes();
  return copy;
}

void Tier::announce(CopyId copy) {
  if (options_.ttl > Duration{}) link_newest(copy);
  policy_of(copy).added(copy);
  slots_[index(copy)].state = State::kCached;
}

// ---- room ----

std::optional<Tier::Candidate> Tier::candidate(std::size_t own) {
  std::optional<Candidate> best;
  for (std::size_t p = 0; p < partitions_.size(); ++p) {
    Partition& partition = partitions_[p];
    if (partition.used == 0) continue;
    const std::int64_t spare = p == own ? partition.used : partition.used - partition.guarantee;
    if (spare <= 0) continue;
    const CopyId copy = partition.policy->victim();
    if (copy == kNoCopy) continue;
    const std::int64_t blocks =
        std::min(spare / slots_[index(copy)].block_bytes, partition.policy->at_most());
    if (blocks <= 0) continue;
    if (best && slots_[index(copy)].last_use >= slots_[index(best->copy)].last_use) continue;
    best = Candidate{p, copy, blocks};
  }
  return best;
}

std::int64_t Tier::make_room(std::int64_t wanted, const Use& use) {
  const std::size_t own = place_of(use.tenant);
  const std::int64_t asked = wanted;
  const auto evict_for = [&](const Candidate& from, std::int64_t excess, BlockEnd why) {
    const Resident& resident = slots_[index(from.copy)];
    const std::int64_t needed = (excess + resident.block_bytes - 1) / resident.block_bytes;
    evict(from.copy, std::min({needed, from.blocks, std::int64_t{resident.blocks}}), why, use.now);
  };
  if (const auto quota = partitions_[own].quota) {
    while (partitions_[own].used + wanted > *quota) {
      const CopyId copy = partitions_[own].policy->victim();
      if (copy == kNoCopy) {
        wanted = std::max<std::int64_t>(*quota - partitions_[own].used, 0);
        break;
      }
      evict_for({own, copy, partitions_[own].policy->at_most()},
                partitions_[own].used + wanted - *quota, BlockEnd::kOverQuota);
    }
  }
  while (used_ + wanted > capacity_) {
    const auto from = candidate(own);
    if (!from) {
      wanted = std::max<std::int64_t>(capacity_ - used_, 0);
      break;
    }
    evict_for(*from, used_ + wanted - capacity_, BlockEnd::kEvicted);
  }
  statistics_.refused_bytes += asked - wanted;
  return wanted;
}

void Tier::shrink_to_capacity(const Use& use) {
  const Use nobody{use.now, use.tenant, use.number};
  make_room(0, nobody);
}

void Tier::evict(CopyId copy, std::int64_t blocks, BlockEnd why, TimePoint now) {
  const bool remember = policy_of(copy).remembers(copy);
  const RunId run = slots_[index(copy)].run;
  Resident& resident = slots_[index(copy)];
  SCSIM_CHECK(resident.evictable());
  const std::int64_t keep = resident.blocks - blocks;
  statistics_.evicted_bytes += blocks * resident.block_bytes;
  if (keep > 0 && !remember && runs_[run].children == 0 && runs_[run].payload.only(id_)) {
    store_.leaving(id_, run, resident.begin + keep, resident.begin + resident.blocks, resident);
    record_end(resident, blocks, why, now);
    store_.shorten(run, resident.begin + keep);
    resident.blocks = static_cast<std::int32_t>(keep);
    policy_of(copy).shortened(copy, blocks);
    count(resident.tenant, static_cast<std::size_t>(resident.partition),
          -blocks * resident.block_bytes, now);
    return;
  }
  if (keep > 0) store_.split(run, resident.begin + keep);  // `copy` keeps the part below
  remove(copy, why, remember, now);
}

void Tier::remove(CopyId copy, BlockEnd why, TimePoint now) {
  SCSIM_CHECK_EQ(slots_[index(copy)].pins, 0);
  remove(copy, why, false, now);
}

void Tier::remove(CopyId copy, BlockEnd why, bool remember, TimePoint now) {
  EvictionPolicy& policy = policy_of(copy);
  const Resident resident = slots_[index(copy)];
  if (why == BlockEnd::kEvicted || why == BlockEnd::kOverQuota) {
    store_.leaving(id_, resident.run, resident.begin, resident.begin + resident.blocks, resident);
  }
  record_end(resident, resident.blocks, why, now);
  count(resident.tenant, static_cast<std::size_t>(resident.partition), -resident.bytes(), now);
  if (options_.ttl > Duration{}) unlink(copy);
  policy.removed(copy, remember);
  slots_[index(copy)].state = remember ? State::kGhost : State::kStub;
  const CopyId parent = resident.parent;
  if (!remember && resident.children == 0) {
    slots_[index(copy)].state = State::kFree;
    // The parent's count first: dropping the slot may take the run out of the tree.
    remove_child(parent);
    drop_slot(copy);
  } else {
    remove_child(parent);
  }
  if (remember) forget_ghosts(policy);
}

void Tier::forget_ghosts(EvictionPolicy& policy) {
  for (CopyId ghost = policy.forgotten(); ghost != kNoCopy; ghost = policy.forgotten()) {
    Resident& resident = slots_[index(ghost)];
    SCSIM_CHECK(resident.state == State::kGhost);
    resident.state = State::kStub;
    if (resident.children == 0) drop_slot(ghost);
  }
}

// ---- splits ----

void Tier::run_was_split(RunId upper_run, RunId lower_run) {
  const CopyId lower = runs_[lower_run].payload.in(id_);
  if (slots_[index(lower)].state == State::kStub) {
    Resident& stub = slots_[index(lower)];
    stub.begin = runs_[lower_run].begin;
    stub.blocks = static_cast<std::int32_t>(runs_[lower_run].blocks());
    return;
  }
  const CopyId upper = new_slot(upper_run);
  Resident& below = slots_[index(lower)];
  Resident& above = slots_[index(upper)];
  const auto [begin, blocks] = std::pair(above.begin, above.blocks);
  above = below;
  above.run = upper_run;
  above.begin = begin;
  above.blocks = blocks;
  above.children = below.state == State::kCached ? 1 : 0;
  if (below.state == State::kCached) below.parent = upper;
  below.begin = runs_[lower_run].begin;
  below.blocks = static_cast<std::int32_t>(runs_[lower_run].blocks());
  if (options_.ttl > Duration{} && below.state == State::kCached) {
    if (recency_.size() <= index(upper)) recency_.resize(index(upper) + 1);
    const CopyId newer = recency_[index(lower)].newer;
    recency_[index(upper)] = {lower, newer};
    recency_[index(lower)].newer = upper;
    (newer == kNoCopy ? newest_ : recency_[index(newer)].older) = upper;
  }
  policy_of(lower).split(upper, lower);
}

CopyId Tier::cut(CopyId copy, std::int64_t blocks) {
  const Resident& resident = slots_[index(copy)];
  const RunId upper = store_.split(resident.run, resident.begin + resident.blocks - blocks);
  return runs_[upper].payload.in(id_);
}

// ---- time ----

void Tier::link_newest(CopyId copy) {
  if (recency_.size() <= index(copy)) recency_.resize(index(copy) + 1);
  recency_[index(copy)] = {newest_, kNoCopy};
  (newest_ == kNoCopy ? oldest_ : recency_[index(newest_)].newer) = copy;
  newest_ = copy;
}

void Tier::unlink(CopyId copy) {
  const Neighbours neighbours = recency_[index(copy)];
  (neighbours.older == kNoCopy ? oldest_ : recency_[index(neighbours.older)].newer) =
      neighbours.newer;
  (neighbours.newer == kNoCopy ? newest_ : recency_[index(neighbours.newer)].older) =
      neighbours.older;
}

void Tier::drop_expired(TimePoint now) {
  for (CopyId copy = oldest_; copy != kNoCopy;) {
    const TimePoint end = slots_[index(copy)].last_use + options_.ttl;
    if (end > now) return;
    const CopyId newer = recency_[index(copy)].newer;
    if (slots_[index(copy)].evictable())  // else it is being read, and leaves soon after
      remove(copy, BlockEnd::kExpired, false, std::max(end, counted_));
    copy = newer;
  }
}

void Tier::lose_rest(TimePoint now) {
  if (!losing_) return;
  std::vector<CopyId> lost;
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    if (slots_[i].state == State::kCached && slots_[i].stored <= lost_at_)
      lost.push_back(static_cast<CopyId>(i));
  }
  // Children first; slots keep their numbers.
  std::ranges::sort(lost, [&](CopyId a, CopyId b) {
    return std::pair(-slots_[index(a)].begin, a) < std::pair(-slots_[index(b)].begin, b);
  });
  losing_ = false;
  for (const CopyId copy : lost) {
    if (!slots_[index(copy)].evictable()) {
      losing_ = true;
      continue;
    }
    statistics_.lost_bytes += slots_[index(copy)].bytes();
    remove(copy, BlockEnd::kLost, now);
  }
}

// ---- accounts ----

void Tier::count(std::uint32_t tenant, std::size_t partition, std::int64_t bytes, TimePoint now) {
  if (tenant >= tenant_used_.size()) {
    tenant_used_.resize(tenant + 1, 0);
    if (options_.observe)
      tenant_timelines_.resize(tenant + 1, Timeline<1>(kTimelineBins, kTimelineWidth));
  }
  if (options_.observe) {
    timeline_.advance(now, {static_cast<double>(used_)});
    tenant_timelines_[tenant].advance(now, {static_cast<double>(tenant_used_[tenant])});
  }
  counted_ = now;
  used_ += bytes;
  tenant_used_[tenant] += bytes;
  partitions_[partition].used += bytes;
  if (spares_request()) SCSIM_CHECK_LE(used_, capacity_);
  SCSIM_CHECK_GE(partitions_[partition].used, 0);
  if (const auto quota = partitions_[partition].quota)
    SCSIM_CHECK_LE(partitions_[partition].used, *quota);  // INV-ISOLATE
  statistics_.peak_bytes = std::max(statistics_.peak_bytes, used_);
}

void Tier::charge(std::uint32_t tenant, double byte_seconds) {
  if (tenant >= statistics_.byte_seconds.size()) statistics_.byte_seconds.resize(tenant + 1, 0);
  statistics_.byte_seconds[tenant] += byte_seconds;
}

void Tier::record_end(const Resident& resident, std::int64_t blocks, BlockEnd why, TimePoint now) {
  if (!options_.observe) return;
  const double bytes = static_cast<double>(blocks * resident.block_bytes);
  statistics_.lifetimes.add(blocks, now - resident.stored, why);
  charge(resident.last_tenant, bytes * (now - resident.last_use).seconds().value());
  std::vector<double>& stored = statistics_.stored_byte_seconds;
  if (resident.tenant >= stored.size()) stored.resize(resident.tenant + 1, 0);
  stored[resident.tenant] += bytes * (now - resident.stored).seconds().value();
}

void Tier::end_of_run(TimePoint now) {
  expire(now);
  for (const Resident& resident : slots_) {
    if (resident.state == State::kCached)
      record_end(resident, resident.blocks, BlockEnd::kResident, now);
  }
  timeline_.advance(now, {static_cast<double>(used_)});
  for (std::size_t tenant = 0; tenant < tenant_timelines_.size(); ++tenant)
    tenant_timelines_[tenant].advance(now, {static_cast<double>(tenant_used_[tenant])});
}

std::vector<float> Tier::occupancy(Duration width, TimePoint end) {
  timeline_.widen(width);
  return timeline_.means(0, end);
}

std::vector<float> Tier::occupancy_of(std::uint32_t tenant, Duration width, TimePoint end) {
  if (tenant >= tenant_timelines_.size()) return {};
  tenant_timelines_[tenant].widen(width);
  return tenant_timelines_[tenant].means(0, end);
}

void Tier::check_everything() const {
  std::int64_t used = 0;
  std::vector<std::int64_t> of_partition(partitions_.size()), children(slots_.size());
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    const Resident& resident = slots_[i];
    if (resident.state == State::kFree) continue;
    const Runs::Run& run = runs_[resident.run];
    SCSIM_CHECK_EQ(run.payload.in(id_), static_cast<CopyId>(i));
    SCSIM_CHECK_EQ(run.begin, resident.begin);
    SCSIM_CHECK_EQ(run.blocks(), resident.blocks);
    if (resident.state != State::kCached) continue;
    used += resident.bytes();
    of_partition[static_cast<std::size_t>(resident.partition)] += resident.bytes();
    if (run.parent == Runs::kRoot) continue;
    const CopyId parent = runs_[run.parent].payload.in(id_);
    SCSIM_CHECK_NE(parent, kNoCopy);
    SCSIM_CHECK_EQ(parent, resident.parent);
    ++children[index(parent)];
  }
  for (std::size_t i = 0; i < slots_.size(); ++i)
    SCSIM_CHECK_EQ(children[i], static_cast<std::int64_t>(slots_[i].children));
  SCSIM_CHECK_EQ(used, used_);  // INV-CONSERVE
  SCSIM_CHECK_LE(used, capacity_);
  for (std::size_t p = 0; p < partitions_.size(); ++p)
    SCSIM_CHECK_EQ(of_partition[p], partitions_[p].used);
}

}  // namespace scsim::sim
