// Summary: the numbers that people ask of a run, each with the rule that made it.
//
//   Summary summary = summarise(result, {});
//   std::fputs(text_report(result, summary).c_str(), stdout);
//
// What is measured and what is left out as warm-up and drain: analysis/window.h. How intervals are
// made: analysis/statistics.h. All times are in seconds. `definitions()` has the sentences that
// every report prints with these numbers.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/answers.h"
#include "analysis/costs.h"
#include "analysis/fairness.h"
#include "analysis/lifetimes.h"
#include "analysis/statistics.h"
#include "analysis/store_summary.h"
#include "analysis/transfer_summary.h"
#include "analysis/window.h"
#include "traces/result.h"

namespace scsim::analysis {

struct SummaryOptions {
  double warm_up = 0.1;     // part of the time of arrivals left out at its start
  double slo_share = 0.99;  // an SLO is met if this share of its requests is within all targets
};

// Prompt tokens found in the prefix cache at first admission, of the prompt tokens of requests that
// were admitted.
struct HitRatio {
  std::int64_t found_tokens = 0, prompt_tokens = 0;
  double ratio() const {
    return prompt_tokens == 0
               ? 0
               : static_cast<double>(found_tokens) / static_cast<double>(prompt_tokens);
  }
};

// Requests whose class has at least one target, and how many of them finished within all.
struct Attainment {
  std::int64_t with_targets = 0, within = 0;
  double share() const {
    return with_targets == 0 ? 0 : static_cast<double>(within) / static_cast<double>(with_targets);
  }
};

// Requests that arrived in the window: all, a tenant's, or those of one turn. Latencies are of the
// finished ones, except `itl`, which covers the whole run and has no intervals (a histogram).
struct GroupSummary {
  std::string name;
  std::int64_t requests = 0;
  std::array<std::int64_t, kOutcomeNames.size()> outcomes{};
  Distribution ttft, tpot, itl, e2e;
  HitRatio hits;
  Attainment slo;
  PerStage<double> stage_seconds{};  // mean per finished request; adds up to e2e.mean
  std::int64_t preemptions = 0, preempted_requests = 0, recomputed_tokens = 0;

  std::int64_t finished() const { return outcomes[static_cast<std::size_t>(Outcome::kFinished)]; }
};

// One service class and its targets. A request that did not finish met none of them.
struct SloSummary {
  std::string name;
  std::optional<double> ttft, tpot, e2e;  // targets
  std::int64_t requests = 0, met_ttft = 0, met_tpot = 0, met_e2e = 0, within = 0;

  bool has_targets() const { return ttft || tpot || e2e; }
  double share() const {
    return requests == 0 ? 0 : static_cast<double>(within) / static_cast<double>(requests);
  }
};

// Per second of the window. A request counts at its end; its prompt tokens are spread evenly from
// first admission to first token, its generated tokens from there to the end.
struct Rates {
  double arrivals = 0, finished = 0;
  double prompt_tokens = 0, generated_tokens = 0;
  double goodput = 0;          // finished within all targets of a class that has targets
  double without_targets = 0;  // finished, of classes without targets: not in goodput
};

struct EngineSummary {
  std::string pool, model;
  int gpus = 1;
  std::optional<double> utilisation;       // busy share of the window; absent without a timeline
  std::optional<double> running, waiting;  // mean requests over the window
  std::optional<double> used, cached;      // mean shares of the KV blocks over the window
  double peak_used = 0;                    // largest share of the blocks ever held, whole run
  // The ledger of the whole run: stages and idle add up to it.
  PerStage<double> stage_seconds{};
  double idle_seconds = 0;
  // While busy, whole run.
  double hbm_bytes_per_second = 0, peak_hbm_bytes_per_second = 0;
  double flops_per_second = 0, peak_flops_per_second = 0;
  double link_bytes_per_second = 0;
  std::int64_t steps = 0, prefill_tokens = 0, decode_tokens = 0;
  std::int64_t preemptions = 0, evicted_blocks = 0, num_blocks = 0, block_tokens = 0;

  double busy_seconds() const;
};

// All engines together, weighted by their GPUs.
struct ClusterSummary {
  int engines = 0, gpus = 0;
  std::optional<double> utilisation;
  double running = 0, waiting = 0;       // mean requests over the window, sum of the engines
  double used = 0, cached = 0;           // mean shares of the blocks
  PerStage<double> stage_gpu_seconds{};  // whole run
  double idle_gpu_seconds = 0;
  double hbm_bytes_per_second = 0, peak_hbm_bytes_per_second = 0;  // while busy, sum of the engines
  double flops_per_second = 0, peak_flops_per_second = 0;

  double gpu_seconds() const;  // of the ledger, idle included
};

// An estimate: every token found is taken to cost what a computed prefill token of the same engine
// cost on average in generation seconds.
struct CacheWorth {
  std::int64_t found_tokens = 0;  // whole run
  double gpu_seconds = 0;
  double share_of_run = 0;  // of the GPU seconds of the run, idle included
  std::optional<double> dollars;
};

struct Money {
  double dollars = 0;                        // of the run: all GPUs from its start to its end
  std::optional<double> per_million_tokens;  // prompt and generated, over the window
  std::optional<double> per_million_generated_tokens;  // over the window
  std::optional<double> per_thousand_within_slo;       // requests, over the window
};

enum class Load : std::uint8_t { kStable, kBacklogged, kOverloaded, kNotJudged };
inline constexpr std::array<std::string_view, 4> kLoadNames = {"stable", "backlogged", "overloaded",
                                                               "not judged"};
struct Verdict {
  Load load = Load::kNotJudged;
  bool near_saturation = false;
  std::string sentence;   // with the numbers that decided
  double queue_rise = 0;  // requests, fitted over the window
  double drain = 0;       // seconds from the last arrival to the end of the run
};

enum class Bottleneck : std::uint8_t {
  kNone,
  kCompute,
  kMemoryBandwidth,
  kCacheCapacity,
  kSequenceLimit,
  kImbalance,
  kHostOverhead,
  kUnknown,
};
inline constexpr std::array<std::string_view, 8> kBottleneckNames = {
    "none",          "compute",        "HBM bandwidth",
    "KV capacity",   "sequence limit", "imbalance between engines",
    "host overhead", "unknown"};
struct BottleneckFinding {
  Bottleneck what = Bottleneck::kUnknown;
  std::string sentence;
};

struct Summary {
  SummaryOptions options;
  Window window;
  double run_seconds = 0;
  GroupSummary all;
  std::vector<GroupSummary> tenants, turns;  // those with requests in the window
  std::vector<SloSummary> slos;              // classes with requests in the window
  Rates rates;
  std::vector<EngineSummary> engines;
  ClusterSummary cluster;
  std::vector<LifetimeSummary> lifetimes;  // of the engines' own blocks by reason, whole run
  CacheWorth cache_worth;
  std::optional<Money> money;        // absent unless every engine has a price
  std::optional<Fairness> fairness;  // where engines serve by weights
  std::optional<Costs> costs;        // by tenant; absent unless energy or prices are known
  Verdict verdict;
  BottleneckFinding bottleneck;
  std::optional<StoreSummary> store;         // of clusters with tiers
  std::optional<TransferSummary> transfers;  // of clusters with pools of roles
  std::optional<Answers> answers;            // where accuracy was measured; see set_answers()
  std::vector<std::string> honesty;          // of the result, and what this summary adds

  // Every class with targets reached options.slo_share; absent where no request has a target.
  std::optional<bool> slo_met() const;
};

// REQUIRES: 0 <= warm_up <= 0.9. Cost O(requests), and memory for a few numbers a request.
Summary summarise(const Result& result, const SummaryOptions& options);

// Puts them in the summary, which then no longer says that accuracy is unknown, if it is known of
// any request.
void set_answers(Answers answers, Summary& summary);

// What each number means, for the foot of every report.
struct Definition {
  std::string_view term, sentence;
};
const std::vector<Definition>& definitions();

}  // namespace scsim::analysis
