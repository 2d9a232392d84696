// Result: what a run, simulated or real, did with a trace. The simulator writes one; so will the
// executor's replay; reports, comparisons and validation read nothing else.
//
// Times of a request: TTFT begins at `arrival` (when the request reaches the router) and ends at
// `first_token` (the end of the step that sampled the first token, host overhead of that step
// included). E2E ends at `end`. TPOT = (end - first_token) / (output_tokens - 1). ITL are the gaps
// between two tokens of one request.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "traces/expected.h"
#include "traces/quantity.h"
#include "traces/stage.h"
#include "traces/time.h"
#include "traces/trace.h"

namespace scsim {

enum class Outcome : std::uint8_t {
  kFinished,
  kRefused,  // can never be served: too long for the model or the memory, or no pool has its model
  kCancelled,   // the client gave up
  kTimedOut,    // the cluster's own limit
  kUnfinished,  // still waiting or running when the run was stopped
  kFailed,      // its engines failed more often than it is retried
  kShed,        // the frontend had as many as it lets in
};
inline constexpr std::array<std::string_view, 7> kOutcomeNames = {
    "finished", "refused", "cancelled", "timed_out", "unfinished", "failed", "shed"};
// Counts of the last two are told where there are any.
inline constexpr std::size_t kUsualOutcomes = 5;

struct RequestResult {
  std::uint64_t request = 0;  // position in the trace
  std::uint32_t tenant = 0, turn = 0, slo = 0, task = 0;
  std::uint64_t session = 0;
  std::int32_t engine = -1;  // -1: never routed
  Outcome outcome = Outcome::kUnfinished;
  std::uint16_t preemptions = 0;
  std::uint16_t retries = 0;  // starts after the first; what is below is of the last one
  TimePoint arrival, scheduled, first_token, end;  // zero where it never got there
  std::int64_t prompt_tokens = 0;
  std::int64_t output_tokens = 0;      // produced, not planned
  std::int64_t found_tokens = 0;       // prompt tokens found in the prefix cache, first admission
  std::int64_t recomputed_tokens = 0;  // computed again after preemptions
  PerStage<std::int64_t> stage_ns{};   // INV-LEDGER: adds up to end - arrival
};

// Counts of gaps between tokens by length, in bins 6 % wide: bin i holds gaps of
// [kShortest * 1.06^i, kShortest * 1.06^(i+1)); quantiles are read with interpolation inside a bin.
struct GapHistogram {
  static constexpr std::size_t kBins = 256;
  static constexpr double kShortest = 2e-5;  // seconds; shorter gaps fall into bin 0
  static constexpr double kRatio = 1.06;
  std::array<std::uint64_t, kBins> count{};
  double sum_seconds = 0;     // exact
  std::int64_t worst_ns = 0;  // exact
};

// How the lives of blocks ended: cached ones evicted, or still there at the end of the run; and
// those nobody else could find (the last of a request, partly filled; all, without prefix caching),
// which live as long as their request holds blocks. In a tier of the store also: not used for its
// TTL; moved to a tier above; evicted because their tenant was at its quota. And lost in a failure.
enum class BlockEnd : std::uint8_t {
  kEvicted,
  kNeverCached,
  kResident,
  kExpired,
  kMoved,
  kOverQuota,
  kLost
};
inline constexpr std::array<std::string_view, 7> kBlockEndNames = {
    "evicted", "never_cached", "resident_at_end", "expired", "moved", "over_quota", "lost"};

// Lifetimes of blocks in powers of two of a second; those of cached blocks begin with the last step
// that filled a block of their run, those of an answer's at its end or when another request found
// them: bin i holds [2^(i-20), 2^(i-19)) s, bin 0 all that is shorter.
struct LifetimeHistogram {
  static constexpr std::size_t kBins = 48;
  std::array<std::array<std::uint64_t, kBins>, kBlockEndNames.size()> count{};
  std::array<double, kBlockEndNames.size()> sum_seconds{};

  void add(std::int64_t blocks, Duration life, BlockEnd why);
};

// One engine over time, in equal bins of `Result::timeline_bin`; means over the bin.
struct EngineTimeline {
  std::vector<float> running, waiting;  // requests
  std::vector<float> used_blocks;       // held by running requests, share of the pool 0..1
  std::vector<float> cached_blocks;     // free but findable, share of the pool 0..1
  std::vector<float> busy;              // share of the time
};

// What an engine's GPUs and its part of their hosts draw, while it is in no step and while it is.
struct Watts {
  double gpu_idle = 0, gpu_active = 0, host_idle = 0, host_active = 0;
};

struct EngineResult {
  std::string pool;
  std::string model;
  std::string role;  // prefill or decode; empty: both
  std::int64_t num_blocks = 0, block_tokens = 0;
  std::int64_t max_sequences = 0;  // requests that may run at once; 0: not known
  std::int64_t steps = 0, prefill_tokens = 0, decode_tokens = 0;
  std::int64_t preemptions = 0, evicted_blocks = 0, peak_used_blocks = 0;
  std::int64_t abandoned_loads = 0;  // given up to make room for others
  std::int64_t lost_tokens = 0;      // of its prefix cache, in failures
  // Engine seconds by stage; with those idle, down and off they add up to the length of the run
  // (INV-LEDGER).
  PerStage<std::int64_t> stage_ns{};
  std::int64_t idle_ns = 0, down_ns = 0, off_ns = 0;  // off: neither paid for nor drawing power
  std::int64_t starts = 0;                            // by autoscaling
  // Where the roofline puts the time: bytes moved from HBM and operations done.
  double hbm_bytes = 0, flops = 0, link_bytes = 0;
  double peak_hbm_bytes_per_second = 0, peak_flops_per_second = 0;  // of all its GPUs
  int gpus = 1;
  double price_per_gpu_hour = 0;
  Watts watts;  // all 0 unless Result::pue is given
  EngineTimeline timeline;
};

// What the tiers of the store gave a request, when it was first admitted.
struct FetchResult {
  static constexpr std::size_t kMaxTiers = 4;
  std::array<std::int64_t, kMaxTiers> tokens{};  // fetched, by tier
  std::int64_t lossy_tokens = 0;                 // of those, such as came through a lossy codec
  std::int64_t found_lossy_tokens = 0;           // of RequestResult::found_tokens
  std::int64_t wait_ns = 0;                      // between the start of its fetch and the end
  std::int64_t avoided_ns =
      0;  // what computing those tokens would have taken its engine, estimated
};

// How the KV of a request's prompt came to the engine that answers, in clusters with pools of
// roles.
struct TransferResult {
  // Why its prompt was computed where its answer was: it was not; its pool has the role of both;
  // the decider said so; every prefill engine had too much waiting; none could hold the prompt; no
  // way led from the prefill engine when its KV was to be moved.
  enum class Local : std::uint8_t { kNo, kNoRoles, kDecider, kBusy, kTooLong, kNoWay };
  std::int32_t prefill_engine = -1;  // -1: none was asked
  Local local = Local::kNoRoles;
  std::int64_t tokens = 0, bytes = 0;  // that had to be moved
  std::int64_t moving_ns = 0;          // from when the first could move to when the last had
  std::int64_t wait_ns = 0;            // of that, when the request waited for nothing else
};
inline constexpr std::array<std::string_view, 6> kLocalNames = {"remote", "no_roles", "decider",
                                                                "busy",   "too_long", "no_way"};

// One tier of the store, summed over its instances (one per engine or node, or one in all).
struct TierResult {
  std::string name, medium, scope, policy, codec;
  bool lossy = false;  // its codec
  std::int32_t instances = 0;
  std::int64_t capacity_bytes = 0;
  double price_per_gib_hour = 0;  // dollars; 0: not known
  // Bytes as stored. Stored: that came to be there, of them some by prefetch. Refused: for which no
  // room could be made. Evicted: for want of room or quota. Dropped: on their way when what
  // precedes them had gone.
  std::int64_t stored_bytes = 0, refused_bytes = 0, evicted_bytes = 0, prefetched_bytes = 0;
  std::int64_t prefetched_used_bytes = 0;  // of the prefetched, such as were used
  std::int64_t lost_bytes = 0;             // in failures
  std::int64_t peak_bytes = 0;             // of all instances, each at its own time
  std::int64_t fetched_bytes = 0, fetched_tokens = 0, fetched_lossy_tokens = 0;
  std::int64_t avoided_ns = 0;  // engine time that computing the fetched tokens would have taken
  double avoided_gpu_seconds = 0, avoided_dollars = 0;  // the same, times GPUs and their price
  LifetimeHistogram lifetimes;                          // of blocks there
  LifetimeHistogram gaps;  // between two uses of a block there; in the row kResident
  // By tenant. Charged: a block's bytes times the time between two uses go to the tenant whose use
  // ended it, the last stretch to the last user. Stored: all of it to whoever stored the block.
  std::vector<double> charged_byte_seconds, stored_byte_seconds;
  std::vector<float> used_bytes;                         // over time, all instances
  std::vector<std::vector<float>> used_bytes_by_tenant;  // likewise
};

// One direction of a link of the cluster's graph.
struct LinkResult {
  std::string name;
  double bytes_per_second = 0;  // infinite: not limited
  std::int64_t bytes = 0;
  std::int64_t busy_ns = 0;    // anything on it
  std::vector<float> carried;  // bytes per second over time, means over the bins
  double price_per_gb = 0;     // dollars for 10^9 bytes
  // Of links with a price: bytes that have passed it, by whose request moved them.
  std::vector<std::int64_t> bytes_by_tenant;
  std::int64_t down_ns = 0;   // out of order
  std::int64_t rerouted = 0;  // transfers that left it when it went down
};

// Something that broke.
struct FailureResult {
  std::string what, which;                       // "node", "node0"
  TimePoint begin, end;                          // until it worked again, or the run's end
  std::int64_t requests = 0;                     // that were waiting or running there
  std::int64_t lost_tokens = 0, lost_bytes = 0;  // of engines' prefix caches; of tiers
};

struct Result {
  TraceHeader trace;  // of the trace that was run
  std::string trace_path;
  std::string made_by;  // the command
  std::string tool_version;
  std::string cluster_text;  // resolved cluster, as YAML-like text
  std::string router;
  std::vector<std::string> honesty;  // "uncalibrated: ...", "unverified: ..." (INV-HONEST)
  TraceTables tables;
  std::vector<SloClass> slos;  // targets in force, by SloId
  // By tenant of the tables, where engines serve in order of weights; or none.
  std::vector<double> tenant_weights;
  std::vector<FailureResult> failures;  // by their beginning
  double grams_co2_per_kwh = 0;         // 0: not known
  double pue = 0;  // of the building, at least 1; 0: the run's energy is not known
  TimePoint end;   // of the run: last event
  Duration timeline_bin{};
  std::vector<RequestResult> requests;  // in order of arrival
  std::vector<EngineResult> engines;
  GapHistogram gaps;  // over all requests
  std::vector<GapHistogram> gaps_by_tenant,
      gaps_by_turn;  // turns from kMaxTurnGroup on are one group
  static constexpr std::size_t kMaxTurnGroup = 16;
  LifetimeHistogram lifetimes;
  // Of clusters with a store below their engines' own memory.
  std::int64_t store_block_tokens = 0;
  std::vector<TierResult> tiers;  // nearest to the engines first
  std::vector<LinkResult> links;
  std::vector<FetchResult> fetches;       // one per request, in their order; or none
  std::vector<TransferResult> transfers;  // likewise
};

Expected<void> write_result(const Result& result, const std::string& path);
Expected<Result> read_result(const std::string& path);

}  // namespace scsim
