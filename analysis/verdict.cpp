// Did the cluster keep up?
//
// The number of requests waiting, in at most 100 points, is fitted by a line over the window. Pools
// are judged apart, and the worst is the verdict.
//   overloaded  the line rises by more than 1 % of the pool's arrivals, by more than twice the
//               deviation around it, and by more than the requests that run at once; or 5 % of the
//               arrivals are given up by time-outs, which hide a queue by emptying it.
//   backlogged  no such rise, but more requests wait than run on average, or the drain takes longer
//               than a tenth of the window and than twice the p99 of a request's time outside the
//               queue, or requests are unfinished at the end.
//   stable      otherwise.
// Near saturation: engines busy for 90 % of the window and half a request waiting per engine, or
// 95 % of the blocks in use. There a change of 1 % in the load moves the tail by its own size.
#include <algorithm>
#include <cmath>

#include "analysis/request_times.h"
#include "analysis/summary_parts.h"
#include "traces/text.h"

namespace scsim::analysis {
namespace {

constexpr std::size_t kFewestBins = 8;
constexpr std::size_t kTrendPoints = 100;
constexpr double kRiseOfArrivals = 0.01, kRiseOfDeviation = 2;
constexpr double kTimedOut = 0.05;
constexpr double kNobodyWaits = 0.05;  // requests
constexpr double kDrainOfWindow = 0.1, kDrainOfService = 2;
constexpr double kBusy = 0.9, kWaitingPerEngine = 0.5, kBlocksUsed = 0.95;

struct PoolLoad {
  std::string name;
  std::vector<double> waiting;                               // by whole bin of the window
  double running = 0, mean_waiting = 0, busy = 0, used = 0;  // means; the last two over GPUs
  double gpus = 0;
  std::int64_t engines = 0;
  std::int64_t arrivals = 0, timed_out = 0;  // in the window
  std::int64_t unfinished = 0;
};

std::vector<PoolLoad> loads_of_pools(const Result& result, const Summary& summary) {
  std::vector<PoolLoad> pools;
  std::vector<std::size_t> pool_of;
  for (std::size_t e = 0; e < result.engines.size(); ++e) {
    const EngineResult& engine = result.engines[e];
    const EngineSummary& means = summary.engines[e];
    auto found = std::ranges::find(pools, engine.pool, &PoolLoad::name);
    if (found == pools.end()) {
      found = pools.emplace(pools.end());
      found->name = engine.pool;
    }
    pool_of.push_back(static_cast<std::size_t>(found - pools.begin()));
    const BinRange bins =
        whole_bins(result.timeline_bin, engine.timeline.waiting.size(), summary.window);
    found->waiting.resize(std::max(found->waiting.size(), bins.count), 0);
    for (std::size_t i = 0; i < bins.count; ++i)
      found->waiting[i] += static_cast<double>(engine.timeline.waiting[bins.first + i]);
    found->running += means.running.value_or(0);
    found->mean_waiting += means.waiting.value_or(0);
    found->busy += means.utilisation.value_or(0) * engine.gpus;
    found->used += means.used.value_or(0) * engine.gpus;
    found->gpus += engine.gpus;
    ++found->engines;
  }
  for (const RequestResult& r : result.requests) {
    if (r.engine < 0 || static_cast<std::size_t>(r.engine) >= pool_of.size()) continue;
    PoolLoad& pool = pools[pool_of[static_cast<std::size_t>(r.engine)]];
    pool.unfinished += r.outcome == Outcome::kUnfinished ? 1 : 0;
    if (!summary.window.measures(r)) continue;
    ++pool.arrivals;
    pool.timed_out += r.outcome == Outcome::kTimedOut ? 1 : 0;
  }
  for (PoolLoad& pool : pools) {
    pool.busy /= pool.gpus;
    pool.used /= pool.gpus;
  }
  return pools;
}

// p99 of a finished request's time outside the queue.
double service_p99(const Result& result, const Window& window) {
  std::vector<double> seconds;
  for (const RequestResult& r : result.requests)
    if (finished(r) && window.measures(r))
      seconds.push_back(
          e2e(r) - static_cast<double>(r.stage_ns[static_cast<std::size_t>(Stage::kQueue)]) * 1e-9);
  return seconds.empty() ? 0 : quantile(seconds, 0.99);
}

std::string requests_text(double count) {
  return count < 10 ? format_fixed(count, 1) : format_integer(std::llround(count));
}

// Means of neighbouring bins, at most kTrendPoints, so that the deviation around the line does not
// depend on how finely the run was recorded. A rest of bins at the end is left out.
std::vector<double> trend_points(const std::vector<double>& bins) {
  const std::size_t each = (bins.size() + kTrendPoints - 1) / kTrendPoints;
  std::vector<double> points(bins.size() / each, 0);
  for (std::size_t i = 0; i < points.size() * each; ++i)
    points[i / each] += bins[i] / static_cast<double>(each);
  return points;
}

Verdict judge_pool(const PoolLoad& pool, double drain, double window_seconds, double service) {
  Verdict verdict;
  verdict.drain = drain;
  const std::vector<double> points = trend_points(pool.waiting);
  const Trend trend = fit_trend(points);
  verdict.queue_rise = trend.slope * static_cast<double>(points.size());
  const auto arrivals = static_cast<double>(pool.arrivals);
  const double from = std::max(0.0, pool.mean_waiting - verdict.queue_rise / 2);
  const double to = std::max(0.0, pool.mean_waiting + verdict.queue_rise / 2);
  const std::string queue = std::max(from, to) < kNobodyWaits
                                ? "hardly a request waited"
                                : "the queue went from " + requests_text(from) + " to " +
                                      requests_text(to) +
                                      " requests (a line fitted over the window)";

  if (static_cast<double>(pool.timed_out) >= kTimedOut * arrivals && pool.timed_out > 0) {
    verdict.load = Load::kOverloaded;
    verdict.sentence = format_percent(static_cast<double>(pool.timed_out) / arrivals) +
                       " of the requests timed out, which keeps the queue short by giving up on it";
  } else if (verdict.queue_rise > kRiseOfArrivals * arrivals &&
             verdict.queue_rise > kRiseOfDeviation * trend.residual_deviation &&
             verdict.queue_rise > pool.running) {
    verdict.load = Load::kOverloaded;
    verdict.sentence =
        queue + "; " + format_percent(verdict.queue_rise / arrivals) + " of the arrivals piled up";
  } else if (pool.unfinished > 0) {
    verdict.load = Load::kBacklogged;
    verdict.sentence =
        format_integer(pool.unfinished) + " requests were unfinished at the end; " + queue;
  } else if (pool.mean_waiting > pool.running) {
    verdict.load = Load::kBacklogged;
    verdict.sentence = "more requests waited (" + requests_text(pool.mean_waiting) +
                       " on average) than ran (" + requests_text(pool.running) +
                       "), without growing";
  } else if (drain > kDrainOfWindow * window_seconds && drain > kDrainOfService * service) {
    verdict.load = Load::kBacklogged;
    verdict.sentence = "it took " + format_seconds(drain) +
                       " after the last arrival to work off what was left; " + queue;
  } else {
    verdict.load = Load::kStable;
    verdict.sentence = queue + ", and the rest was worked off " + format_seconds(drain) +
                       " after the last arrival";
  }
  verdict.near_saturation =
      (pool.busy >= kBusy &&
       pool.mean_waiting >= kWaitingPerEngine * static_cast<double>(pool.engines)) ||
      pool.used >= kBlocksUsed;
  return verdict;
}

int badness(Load load) {
  switch (load) {
    case Load::kOverloaded:
      return 3;
    case Load::kBacklogged:
      return 2;
    case Load::kStable:
      return 1;
    case Load::kNotJudged:
      return 0;
  }
  return 0;
}

}  // namespace

Verdict judge_load(const Result& result, const Summary& summary) {
  const Window& window = summary.window;
  Verdict worst;
  worst.drain = std::max(0.0, (result.end - window.last_arrival).seconds().value());
  if (window.whole_run) {
    worst.sentence = "all requests arrive at once, so there is no load to keep up with";
    return worst;
  }
  const std::vector<PoolLoad> pools = loads_of_pools(result, summary);
  const double service = service_p99(result, window);
  bool near_saturation = false;
  for (const PoolLoad& pool : pools) {
    if (pool.waiting.size() < kFewestBins) continue;
    Verdict verdict = judge_pool(pool, worst.drain, window.seconds(), service);
    near_saturation = near_saturation || verdict.near_saturation;
    if (badness(verdict.load) <= badness(worst.load)) continue;
    if (pools.size() > 1) verdict.sentence = "pool " + pool.name + ": " + verdict.sentence;
    worst = std::move(verdict);
  }
  worst.near_saturation = near_saturation;
  if (worst.load == Load::kNotJudged)
    worst.sentence = "the window has fewer than " +
                     format_integer(static_cast<std::int64_t>(kFewestBins)) +
                     " bins of the timeline";
  return worst;
}

}  // namespace scsim::analysis
