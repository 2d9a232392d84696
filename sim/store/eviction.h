// Eviction: which blocks leave a tier when room is needed.
//
// A tier keeps *runs* of blocks that have always been used together (sim/store/run_tree.h); a
// policy deals in those, its decisions are those of a policy that deals in blocks. What belongs to
// all policies is done by the tier (sim/store/tier.h): the blocks of a run leave last to first, and
// none leaves before those behind it (INV-PREFIX). What a policy hears of one request, in this
// order:
//
//   request(use)        a request asks for its blocks
//   used(copy)          for each run that is here, the deepest first
//   remembered(copy)    for each run it asks for that had been evicted and that the policy
//   remembers victim(), ...       room is made for what is new; the request's own runs are spared
//   added(copy)         for each new run, the deepest first
//   refreshed(copy)     for each older run before it, the deepest first: as recent as the new ones
//
// The last four may come later, when the blocks have been computed and written, and other requests
// may be heard in between. A policy that keeps a queue takes a request's blocks as entering it last
// block first, so that the deepest is the oldest of them. Where there is not room for all, the
// deepest are not stored; what was remembered of those stays remembered. What has to be forgotten
// is asked for after what left and again after what was added.
//
// A victim is never chosen among runs that others lie behind, nor among the request's own; each
// policy says what becomes of those when their turn comes. Blocks of one run share all that a
// policy knows of them; where it treats some unlike others (a queue has a limit in the middle of a
// run) it cuts the run, in `request()` or `forgotten()` and nowhere else. Two calls of `victim()`
// with no other between them give the same.
//
// sim/store/keyed_eviction.h does most of what policies with a key for every block need;
// copy_queue.h is for those with a queue. tests/oracle/block_cache_oracle.h has each policy once
// more, block by block, the textbook way.
//
// A policy sees only what has happened (INV-ORACLE); one that is told of the future is named an
// oracle. One file in sim/policies/, one test and one line `add_policy(x eviction)` add a policy;
// lru.cpp is the shortest and the one to copy.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "sim/policy.h"
#include "sim/store/run_tree.h"
#include "traces/expected.h"
#include "traces/time.h"

namespace scsim::sim {

using CopyId = std::int32_t;
inline constexpr CopyId kNoCopy = -1;
inline constexpr std::uint64_t kNeverUsed = std::numeric_limits<std::uint64_t>::max();

// A request, as policies hear of it.
struct Use {
  TimePoint now;
  std::uint32_t tenant = 0;
  std::uint64_t number = 0;  // of the request; later ones have larger numbers
};

// One run of blocks in one tier: its *copy* there.
struct Resident {
  enum class State : std::uint8_t {
    kFree,    // the slot holds nothing
    kStub,    // not here, but runs behind it are
    kGhost,   // evicted, remembered by the policy
    kCached,  // here
  };
  std::int32_t begin = 0, blocks = 0;  // depth of the first, and how many
  std::int64_t block_bytes = 0;
  TimePoint stored, last_use;
  std::uint64_t last_number = 0;        // of the last request that stored or found it
  std::uint64_t next_use = kNeverUsed;  // the number of the next: for oracles alone
  std::uint32_t uses = 0;               // requests that stored or found it
  RunId run = kNoRun;
  std::uint32_t tenant = 0;       // who stored it
  std::uint32_t last_tenant = 0;  // who used it last
  CopyId parent = kNoCopy;        // the copy of the run before it; meaningful while it is cached
  std::int32_t children = 0;      // runs right behind it that are here
  std::int16_t pins = 0;          // it is being read or written behind
  std::int16_t partition = 0;     // of the tier's
  State state = State::kFree;
  bool lossy = false;       // what comes out is not what was computed
  bool prefetched = false;  // and not used yet

  std::int64_t bytes() const { return blocks * block_bytes; }
  bool evictable() const { return state == State::kCached && children == 0 && pins == 0; }
};

// What a policy may look at: the runs of its tier.
class Residents {
 public:
  const Resident& operator[](CopyId copy) const { return slots_[static_cast<std::size_t>(copy)]; }
  std::int64_t capacity() const { return capacity_; }  // bytes
  // Seconds to compute a run's last block again.
  double recompute_seconds(CopyId copy) const;
  // Cuts a run in two, so that the policy can treat its parts unlike: the upper one, with all but
  // the last `blocks` blocks, is new and given back, `split()` having been called.
  // REQUIRES: 0 < blocks < those of the run.
  virtual CopyId cut(CopyId copy, std::int64_t blocks) = 0;

 protected:
  Residents() = default;
  ~Residents() = default;
  std::vector<Resident> slots_;
  std::int64_t capacity_ = 0;
  // Seconds to compute tokens [from, from + tokens) of a prompt whose earlier ones are cached.
  std::function<double(std::int64_t from, std::int64_t tokens)> recompute_;
  std::int64_t block_tokens_ = 1;
};

class EvictionPolicy {
 public:
  virtual ~EvictionPolicy() = default;

  virtual void request(const Use&) {}
  virtual void used(CopyId copy) = 0;
  virtual void added(CopyId copy) = 0;  // state is still kGhost if it was remembered
  virtual void refreshed(CopyId copy) = 0;
  // The first blocks of `lower` became the run `upper`, as if they had always been one; in a queue
  // `upper` comes right after `lower`.
  virtual void split(CopyId upper, CopyId lower) = 0;
  // Whether it may be a victim has changed: runs behind it came or went, or it is being read.
  virtual void evictable(CopyId, bool) {}
  // All its blocks have left; `remember`: it stays known as a ghost.
  virtual void removed(CopyId copy, bool remember) = 0;
  // Its last `blocks` have left, and nothing remembers them.
  virtual void shortened(CopyId, std::int64_t /*blocks*/) {}

  // The evictable run that loses its last blocks next; kNoCopy if none is evictable. Asked again
  // after every run that was evicted, and after `at_most()` blocks of one.
  virtual CopyId victim() = 0;
  virtual std::int64_t at_most() const { return std::numeric_limits<std::int64_t>::max(); }

  // For policies that remember what was evicted.
  virtual bool remembers(CopyId) { return false; }  // asked when a whole run is evicted
  virtual void remembered(CopyId) {}                // a request asks for a ghost
  virtual CopyId forgotten() { return kNoCopy; }    // a ghost to forget; asked until none
  virtual void forget(CopyId) {}                    // a ghost whose blocks somebody else stores now

  // Whether a request's own blocks are safe while room is made for them.
  virtual bool spares_request() const { return true; }
  // What nobody used for so long leaves, wanted or not; 0: stays.
  virtual Duration ttl() const { return {}; }
};

struct EvictionEntry : PolicyDescription {
  bool oracle = false;  // knows the future; reports say so
  // All parameters are present and in range. The residents outlive the policy.
  std::function<std::unique_ptr<EvictionPolicy>(const PolicyParameters& parameters,
                                                Residents& residents)>
      make;
};

const std::vector<EvictionEntry>& eviction_table();

// A policy chosen by name, ready to be made for each tier. Errors name an unknown policy or
// parameter with the nearest known one, and a value out of range.
struct Eviction {
  const EvictionEntry* entry = nullptr;
  PolicyParameters parameters;

  std::unique_ptr<EvictionPolicy> make(Residents& residents) const {
    return entry->make(parameters, residents);
  }
};
Expected<Eviction> find_eviction(const std::string& name, const PolicyParameters& given);

}  // namespace scsim::sim
