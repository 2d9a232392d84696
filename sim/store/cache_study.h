// `scsim cache`: eviction policies and capacities on one trace, without a clock.
//
//   CacheStudyOptions options;
//   options.policies = {{"lru", *find_eviction("lru", {})}};
//   options.capacities = {1'000, 10'000};
//   Expected<CacheStudy> study = study_cache("conversation.pb", options);
//
// Each (policy, capacity) is a run of its own, with its own reader and store, so runs go on threads
// and the result is the same bytes however many there are. LRU, leaves first, needs no run: all its
// capacities come out of the one pass that counts what is there to be found
// (sim/store/lru_curve.h).
#pragma once

#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "sim/store/cache_trace.h"
#include "sim/store/eviction.h"
#include "traces/cache_result.h"

namespace scsim::sim {

class NextUses;

// As many blocks as the trace has.
inline constexpr std::int64_t kRoomForAll = std::numeric_limits<std::int64_t>::max();

struct CacheStudyOptions {
  struct Policy {
    std::string name;  // as reports have it
    Eviction eviction;
  };
  CacheKeeping keeping;
  bool flat = false;  // sim/store/flat_store.h
  std::vector<Policy> policies;
  std::vector<std::int64_t> capacities;  // in blocks, all > 0; empty: a ladder
  bool all_points = false;               // of the LRU curve: every capacity where it changes
  bool one_pass = true;                  // LRU out of the curve, not run by run
  int threads = 1;
  // Seconds to compute tokens [from, from + tokens) of a prompt whose earlier ones are cached; must
  // be callable from several threads. Empty: the number of tokens.
  std::function<double(std::int64_t from, std::int64_t tokens)> recompute_seconds;
  std::string recompute_honesty;         // goes into the result if a policy asked for those seconds
  std::function<void(double)> progress;  // called with the part done, 0..1, on the calling thread
};

Expected<CacheStudy> study_cache(const std::string& trace, const CacheStudyOptions& options);

// One run: what one policy finds at one capacity, in a pass over the trace. `recompute` as above;
// `future` for oracles, else null.
Expected<CacheHits> count_cache_hits(
    const std::string& path, const CacheKeeping& keeping, bool flat, const Eviction& eviction,
    std::int64_t capacity,
    const std::function<double(std::int64_t from, std::int64_t tokens)>& recompute,
    const NextUses* future, const std::function<void(double)>& progress);

// 1, 2 and 5 times powers of ten over the last three decades below `unique_blocks`, and that.
std::vector<std::int64_t> capacity_ladder(std::int64_t unique_blocks);

// Capacities at which a curve is drawn: all up to 64, then 32 in each doubling, and `most`.
std::vector<std::int64_t> curve_capacities(std::int64_t most);

// "s3fifo:small_share=0.2,lru,arc": names, each with parameters behind a colon, or `all` for every
// policy there is. Errors name the nearest known one.
Expected<std::vector<CacheStudyOptions::Policy>> parse_cache_policies(const std::string& text);

}  // namespace scsim::sim
