// What a trace is made of: lengths, arrivals, sessions, and what sharing is in it to be had.
//
//   Expected<TraceStat> stat = stat_trace("conversation.pb", {.block_tokens = 512});
//   std::puts(trace_stat_text(*stat).c_str());
//
// One pass over the file. The sharing figures are those of an unlimited cache in one pool, with the
// requests taken in file order and each judged before it touches anything: what no real cache can
// exceed. They come from a prefix tree whose edges are runs of spans (traces/prefix_tree.h), so the
// cost is per span, not per token or block.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "traces/expected.h"
#include "traces/time.h"
#include "traces/trace.h"

namespace scsim {

struct StatOptions {
  std::int64_t block_tokens = 16;
  std::function<void(double)> progress{};  // called with the part read, 0..1, now and then
};

// Of a set of whole numbers; quantiles are nearest-rank: the smallest value that at least that
// share of the set does not exceed.
struct LengthSummary {
  std::uint64_t count = 0;
  double mean = 0;
  std::int64_t p50 = 0, p90 = 0, p99 = 0, max = 0;
};

// Of points in time: rate = (count - 1) / (last - first), cv of the gaps between neighbours,
// peak_to_mean = the largest count in one of the equal windows from the first point on over the
// mean count of a window.
struct ArrivalSummary {
  std::uint64_t count = 0;
  double rate_per_second = 0, gap_cv = 0, peak_to_mean = 0, window_seconds = 0;
};

// Tokens or blocks of prompts, and how many of them an ideal cache has when they are asked for.
struct ReuseCount {
  std::int64_t total = 0, found = 0;
  double ratio() const {
    return total == 0 ? 0 : static_cast<double>(found) / static_cast<double>(total);
  }
};

struct TenantStat {
  std::string name, price_class;
  std::uint64_t requests = 0, sessions = 0;
  std::int64_t prompt_tokens = 0, output_tokens = 0;
  ReuseCount prefix;               // tokens, found in whatever tenant's prompts came before
  std::int64_t unique_tokens = 0;  // nodes of the prefix tree that this tenant was the first to use
};

struct TraceStat {
  std::string path;
  TraceHeader header;
  std::int64_t block_tokens = 0;

  std::uint64_t requests = 0, closed_loop = 0, with_parents = 0, with_cancel = 0;
  std::uint64_t contents = 0, spans = 0;
  std::int64_t content_tokens = 0;
  TimePoint first, last;  // by `earliest`
  ArrivalSummary request_arrivals, session_arrivals;
  LengthSummary prompt, output, session_requests, prompt_spans;

  ReuseCount prefix_tokens, prefix_blocks;                            // prompts cached
  ReuseCount prefix_tokens_with_outputs, prefix_blocks_with_outputs;  // and outputs behind them
  ReuseCount position_free;  // tokens whose (content, index) any earlier prompt had
  // Tokens found (prefix, prompts cached) by who first brought them.
  std::int64_t found_own_session = 0, found_own_tenant = 0, found_other_tenant = 0;

  std::int64_t unique_tokens = 0;  // of prompts, as prefixes: total - found
  // Unique prompt tokens by the number of requests whose prompt holds them as the same prefix:
  // 1, 2, 3-4, 5-8, ..., in powers of two.
  std::vector<std::int64_t> unique_by_fan_out;
  std::int64_t max_fan_out = 0;

  // Seconds from one use of a prefix to its next, weighted by tokens; quantiles by interpolation in
  // bins 3 % wide.
  double gap_mean = 0, gap_p50 = 0, gap_p90 = 0, gap_p99 = 0, gap_max = 0;

  // Prompt tokens that were used and will be used again: what a cache that knows the future holds.
  std::int64_t live_peak = 0;
  TimePoint live_peak_at;
  double live_mean = 0;  // over the time from first to last

  std::vector<TenantStat> tenants;  // by TenantId, those with requests or not
};

Expected<TraceStat> stat_trace(const std::string& path, const StatOptions& options = {});

// For people; says how each ratio is defined.
std::string trace_stat_text(const TraceStat& stat);
// For tools: one JSON object, keys as the members above, times in seconds.
std::string trace_stat_json(const TraceStat& stat);

}  // namespace scsim
