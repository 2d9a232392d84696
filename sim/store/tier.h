// One tier of the store: which runs of blocks are in it, whose they are, and what room they take.
//
// A tier is a set of *copies* of runs of the store's tree (sim/store/kv_store.h), never more bytes
// than its capacity. Its eviction policy says whose last blocks leave when room is needed. A tenant
// with a quota or a guarantee has a *partition* of its own, with a policy of its own; all others
// share one. A partition at its quota evicts from itself; otherwise the partition gives whose
// candidate was used longest ago, of those above their guarantee (INV-ISOLATE).
#pragma once

#include <array>
#include <boost/unordered/unordered_flat_map.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sim/store/eviction.h"
#include "sim/timeline.h"
#include "traces/result.h"

namespace scsim::sim {

using TierId = std::int32_t;

// Where a run is: its copy in each tier that has one. Most are in one or two; what everybody reads
// is in those of all nodes, and found by a map.
class RunCopies {
 public:
  CopyId in(TierId tier) const {
    if (size_ > kListed) {
      const auto found = far_->index.find(tier);
      return found == far_->index.end() ? kNoCopy : at(found->second).copy;
    }
    for (std::uint32_t i = 0; i < size_; ++i) {
      if (at(i).tier == tier) return at(i).copy;
    }
    return kNoCopy;
  }
  void add(TierId tier, CopyId copy) {
    if (size_ >= kNear) {
      if (!far_) far_ = std::make_unique<Far>();
      far_->places.push_back({tier, copy});
    } else {
      near_[size_] = {tier, copy};
    }
    ++size_;
    if (size_ == kListed + 1) {
      for (std::uint32_t i = 0; i < size_; ++i) far_->index[at(i).tier] = i;
    } else if (size_ > kListed) {
      far_->index[tier] = size_ - 1;
    }
  }
  void remove(TierId tier) {
    std::uint32_t i = 0;
    if (size_ > kListed) {
      const auto found = far_->index.find(tier);
      i = found == far_->index.end() ? size_ : found->second;
    } else {
      while (i < size_ && at(i).tier != tier) ++i;
    }
    if (i == size_) return;
    if (size_ > kListed) {
      far_->index[at(size_ - 1).tier] = i;
      far_->index.erase(tier);
      if (size_ == kListed + 1) far_->index.clear();
    }
    at(i) = at(--size_);
    if (size_ >= kNear) far_->places.pop_back();
  }
  bool empty() const { return size_ == 0; }
  bool only(TierId tier) const { return size_ == 1 && near_[0].tier == tier; }
  template <class F>
  void for_each(F f) const {
    for (std::uint32_t i = 0; i < size_; ++i) f(at(i).tier, at(i).copy);
  }

 private:
  struct Place {
    TierId tier;
    CopyId copy;
  };
  struct Far {
    std::vector<Place> places;
    boost::unordered_flat_map<TierId, std::uint32_t> index;  // of all, if they are many
  };
  static constexpr std::uint32_t kNear = 2, kListed = 16;
  Place& at(std::uint32_t i) { return i < kNear ? near_[i] : far_->places[i - kNear]; }
  const Place& at(std::uint32_t i) const { return i < kNear ? near_[i] : far_->places[i - kNear]; }

  std::array<Place, kNear> near_;
  std::uint32_t size_ = 0;
  std::unique_ptr<Far> far_;
};

using Runs = RunTree<RunCopies>;

struct TenantLimit {
  std::optional<std::int64_t> quota;  // bytes it never exceeds
  std::int64_t guarantee = 0;         // bytes below which it loses nothing to others
};

// What is known of blocks that come to a tier.
struct ArrivingBlocks {
  std::int64_t block_bytes = 1;  // as stored
  bool lossy = false;            // they went through a lossy codec, here or on their way
  bool prefetched = false;       // nobody asked for them
};

struct TierOptions {
  std::string name;
  std::int64_t capacity = 0;  // bytes
  Duration ttl{};             // what nobody used for so long leaves; 0: never
  Eviction eviction;
  std::vector<TenantLimit> limits;  // of the tenants that join() them
  // Seconds to compute tokens [from, from + tokens) of a prompt whose earlier ones are cached.
  std::function<double(std::int64_t from, std::int64_t tokens)> recompute_seconds;
  bool observe = true;  // keep TierStatistics
};

// What became of the blocks of a tier. A block's bytes times the seconds between two uses are
// charged to the tenant whose use ended them, for whom it was kept; the last stretch to the last
// user.
struct TierStatistics {
  LifetimeHistogram lifetimes;
  LifetimeHistogram gaps;            // between two uses of a block here; all in the row kResident
  std::vector<double> byte_seconds;  // by tenant, charged as above
  std::vector<double> stored_byte_seconds;  // by the tenant that stored them
  std::int64_t stored_bytes = 0, evicted_bytes = 0, refused_bytes = 0;
  std::int64_t prefetched_bytes = 0, prefetched_used_bytes = 0;
  std::int64_t lost_bytes = 0;  // in failures
  std::int64_t peak_bytes = 0;
};

class KvStore;

class Tier final : public Residents {
 public:
  Tier(TierId id, TierOptions options, Runs& runs, KvStore& store);
  Tier(const Tier&) = delete;

  const std::string& name() const { return options_.name; }
  std::int64_t used() const { return used_; }
  std::int64_t used_by(std::uint32_t tenant) const;  // of blocks it stored
  const TierStatistics& statistics() const { return statistics_; }

  // The run's copy, if its blocks are here.
  CopyId cached(RunId run) const {
    const CopyId copy = runs_[run].payload.in(id_);
    return copy != kNoCopy && slots_[index(copy)].state == Resident::State::kCached ? copy
                                                                                    : kNoCopy;
  }

  // The tenant is bound by limits[limit] from now on. REQUIRES: it has stored nothing yet.
  void join(std::uint32_t tenant, std::size_t limit);

  void request(const Use& use);
  void use(CopyId copy, const Use& use);
  void refresh(CopyId copy, const Use& use);
  void pin(CopyId copy);
  void unpin(CopyId copy);
  // Bytes of the `wanted` ones for which there is room now, others having been evicted for them.
  std::int64_t make_room(std::int64_t wanted, const Use& use);
  // The run's blocks are here from now on; the policy hears of it by announce(), the deepest first.
  // REQUIRES: make_room() gave the room.
  CopyId add(RunId run, const Use& use, const ArrivingBlocks& arrival);
  void announce(CopyId copy);
  // A request asks for what the policy may remember.
  void recall(RunId run, const Use& use);
  // The policies forget what is too much, all that is new having been announced.
  void forget_ghosts() {
    for (Partition& partition : partitions_) forget_ghosts(*partition.policy);
  }
  // REQUIRES: cached and not pinned.
  void remove(CopyId copy, BlockEnd why, TimePoint now);
  // All that was stored by now is lost. What is being read at the moment is still read, and goes
  // when lose_rest() is called after that.
  void lose(TimePoint now) {
    lost_at_ = now;
    losing_ = true;
    lose_rest(now);
  }
  void lose_rest(TimePoint now);
  bool losing() const { return losing_; }
  void set_next_use(CopyId copy, std::uint64_t number) { slots_[index(copy)].next_use = number; }
  // Drops what the TTL has ended. Called by the store before everything else it does here.
  void expire(TimePoint now) {
    if (options_.ttl > Duration{}) drop_expired(now);
  }
  // For policies that do not spare a request's own blocks: room is made after the fact.
  bool spares_request() const { return partitions_[0].policy->spares_request(); }
  void shrink_to_capacity(const Use& use);

  // The store has split a run: `upper` is new, `lower` keeps its number.
  void run_was_split(RunId upper, RunId lower);
  CopyId cut(CopyId copy, std::int64_t blocks) override;

  void end_of_run(TimePoint now);
  Duration timeline_width() const { return timeline_.width(); }
  // Mean bytes over bins of that width: of all, and of each tenant that stored something.
  std::vector<float> occupancy(Duration width, TimePoint end);
  std::vector<float> occupancy_of(std::uint32_t tenant, Duration width, TimePoint end);
  std::size_t tenants_seen() const { return tenant_used_.size(); }

  // Recounts everything; cost O(runs); for tests.
  void check_everything() const;

 private:
  struct Partition {
    std::optional<std::int64_t> quota;
    std::int64_t guarantee = 0;
    std::int64_t used = 0;
    std::unique_ptr<EvictionPolicy> policy;
  };
  static std::size_t index(CopyId copy) { return static_cast<std::size_t>(copy); }

  std::size_t place_of(std::uint32_t tenant) const {
    return tenant < partition_of_tenant_.size() ? partition_of_tenant_[tenant] : 0;
  }
  EvictionPolicy& policy_of(CopyId copy) {
    return *partitions_[static_cast<std::size_t>(slots_[index(copy)].partition)].policy;
  }
  CopyId new_slot(RunId run);
  void drop_slot(CopyId copy);
  CopyId add_child(RunId parent);  // its copy, a stub if it is not here; kNoCopy: the root
  void remove_child(CopyId parent);
  void count(std::uint32_t tenant, std::size_t partition, std::int64_t bytes, TimePoint now);
  struct Candidate {
    std::size_t partition;
    CopyId copy;
    std::int64_t blocks;  // that may go, at most
  };
  std::optional<Candidate> candidate(std::size_t own);
  void evict(CopyId copy, std::int64_t blocks, BlockEnd why, TimePoint now);
  void remove(CopyId copy, BlockEnd why, bool remember, TimePoint now);
  void forget_ghosts(EvictionPolicy& policy);
  void charge(std::uint32_t tenant, double byte_seconds);
  void record_end(const Resident& resident, std::int64_t blocks, BlockEnd why, TimePoint now);
  void drop_expired(TimePoint now);
  void link_newest(CopyId copy);
  void unlink(CopyId copy);

  TierId id_;
  TierOptions options_;
  Runs& runs_;
  KvStore& store_;
  std::vector<Partition> partitions_;  // [0]: of tenants without limits
  std::vector<std::uint32_t> partition_of_tenant_;
  std::vector<CopyId> unused_;
  std::int64_t used_ = 0;
  std::vector<std::int64_t> tenant_used_;
  // By recency, for the TTL alone: least recently used first.
  struct Neighbours {
    CopyId older = kNoCopy, newer = kNoCopy;
  };
  std::vector<Neighbours> recency_;
  CopyId oldest_ = kNoCopy, newest_ = kNoCopy;
  TimePoint counted_;  // when the bytes last changed
  TimePoint lost_at_;
  bool losing_ = false;  // something stored by then is still there
  TierStatistics statistics_;
  Timeline<1> timeline_;
  std::vector<Timeline<1>> tenant_timelines_;
};

}  // namespace scsim::sim
