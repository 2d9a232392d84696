// What would have to grow for requests to be served sooner?
//
//   1. 5 % of the requests or more were preempted: KV capacity.
//   2. Where requests spend a fifth of their time or more in the queue, ask in every bin of the
//      timeline in which an engine has requests waiting, each bin counting as many times as
//      requests wait in it:
//        another engine of the pool is idle for more than half of the bin and has nobody waiting:
//                                                                     imbalance between engines
//        90 % or more of the blocks are in use:                       KV capacity
//        90 % or more of the engine's max_sequences run:              sequence limit
//        none of these:                                               the time of a step, see 3
//      The most frequent answer wins. An overloaded engine fills up whatever holds it back, so the
//      second and third hold only where a larger batch would help: where most of the busy time is
//      shared by the requests of a batch (weights and host overhead), rather than paid by each
//      (prefill, and reading its KV).
//   3. While engines are busy, what bounds a step: the share of the time that host overhead takes,
//      the share of peak HBM bandwidth, the share of peak operations; the largest of the three,
//      where one reaches 30 %.
// Where requests hardly queue and engines are idle for half of the window, nothing is short.
#include <algorithm>
#include <limits>
#include <map>

#include "analysis/summary_parts.h"
#include "traces/text.h"

namespace scsim::analysis {
namespace {

constexpr double kPreempted = 0.05;
constexpr double kQueueMatters = 0.2;
constexpr double kFullBlocks = 0.9, kAtLimit = 0.9, kIdle = 0.5;
constexpr double kNoLimit = std::numeric_limits<double>::infinity();
constexpr double kNobodyWaits = 0.05;  // requests, mean over a bin
constexpr double kBounds = 0.3;
constexpr double kBatchHelps = 0.5;  // of the busy time is shared by a batch

// Requests waiting, summed over bins, by what they wait for.
struct WaitCauses {
  double imbalance = 0, blocks = 0, sequences = 0, steps = 0;
  double total() const { return imbalance + blocks + sequences + steps; }
};

double at(const std::vector<float>& series, std::size_t i) {
  return i < series.size() ? static_cast<double>(series[i]) : 0;
}

// By pool and bin: whether one of its engines is mostly idle and has nobody waiting.
std::map<std::string, std::vector<bool>> idle_engines(const Result& result) {
  std::map<std::string, std::vector<bool>> idle;
  for (const EngineResult& engine : result.engines) {
    std::vector<bool>& bins = idle[engine.pool];
    bins.resize(std::max(bins.size(), engine.timeline.waiting.size()));
    for (std::size_t i = 0; i < engine.timeline.waiting.size(); ++i)
      if (at(engine.timeline.waiting, i) < kNobodyWaits && at(engine.timeline.busy, i) < kIdle)
        bins[i] = true;
  }
  return idle;
}

WaitCauses causes_of_waiting(const Result& result, const Window& window) {
  WaitCauses causes;
  const auto idle = idle_engines(result);
  for (const EngineResult& engine : result.engines) {
    const EngineTimeline& timeline = engine.timeline;
    const std::vector<bool>& idle_neighbour = idle.at(engine.pool);
    const double limit =
        engine.max_sequences > 0 ? kAtLimit * static_cast<double>(engine.max_sequences) : kNoLimit;
    const BinRange bins = whole_bins(result.timeline_bin, timeline.waiting.size(), window);
    for (std::size_t i = bins.first; i < bins.first + bins.count; ++i) {
      const double waiting = at(timeline.waiting, i);
      if (waiting < kNobodyWaits) continue;
      if (idle_neighbour[i])
        causes.imbalance += waiting;
      else if (at(timeline.used_blocks, i) >= kFullBlocks)
        causes.blocks += waiting;
      else if (at(timeline.running, i) >= limit)
        causes.sequences += waiting;
      else
        causes.steps += waiting;
    }
  }
  return causes;
}

BottleneckFinding what_bounds_a_step(const Summary& summary, const std::string& why_asked) {
  const ClusterSummary& cluster = summary.cluster;
  const double busy = cluster.gpu_seconds() - cluster.idle_gpu_seconds;
  if (busy <= 0) return {Bottleneck::kNone, "the engines were never busy"};
  const auto part = [](double achieved, double peak) { return peak > 0 ? achieved / peak : 0; };
  const double host = cluster.stage_gpu_seconds[static_cast<std::size_t>(Stage::kOther)] / busy;
  const double memory = part(cluster.hbm_bytes_per_second, cluster.peak_hbm_bytes_per_second);
  const double compute = part(cluster.flops_per_second, cluster.peak_flops_per_second);
  // Measured step costs say nothing of what bounds a step.
  if (cluster.hbm_bytes_per_second <= 0 && cluster.flops_per_second <= 0)
    return {Bottleneck::kUnknown,
            why_asked + "step costs were measured as a whole, so what bounds a step is not known"};
  const std::string numbers = "while busy, engines reach " + format_percent(memory) +
                              " of peak HBM bandwidth and " + format_percent(compute) +
                              " of peak compute, and spend " + format_percent(host) +
                              " on host overhead";
  const double largest = std::max({host, memory, compute});
  if (largest < kBounds)
    return {Bottleneck::kUnknown,
            why_asked + numbers +
                "; none of the three bounds a step by itself (communication and "
                "changes between compute and bandwidth inside a step remain)"};
  const Bottleneck what = largest == host     ? Bottleneck::kHostOverhead
                          : largest == memory ? Bottleneck::kMemoryBandwidth
                                              : Bottleneck::kCompute;
  return {what, why_asked + numbers};
}

// The part of the busy time that does not grow with the requests in a batch.
double share_paid_by_batch(const ClusterSummary& cluster) {
  const double busy = cluster.gpu_seconds() - cluster.idle_gpu_seconds;
  const auto stage = [&](Stage s) {
    return cluster.stage_gpu_seconds[static_cast<std::size_t>(s)];
  };
  return busy > 0 ? (stage(Stage::kDecode) + stage(Stage::kOther)) / busy : 0;
}

}  // namespace

BottleneckFinding find_bottleneck(const Result& result, const Summary& summary) {
  const GroupSummary& all = summary.all;
  if (all.requests == 0) return {Bottleneck::kUnknown, "no request arrived in the window"};
  const double preempted =
      static_cast<double>(all.preempted_requests) / static_cast<double>(all.requests);
  if (preempted >= kPreempted)
    return {Bottleneck::kCacheCapacity,
            format_percent(preempted) +
                " of the requests were preempted for want of KV blocks, and " +
                format_integer(all.recomputed_tokens) + " tokens computed again"};

  const double queued =
      all.e2e.mean.value > 0
          ? all.stage_seconds[static_cast<std::size_t>(Stage::kQueue)] / all.e2e.mean.value
          : 0;
  const std::string queue_text =
      "requests spend " + format_percent(queued) + " of their time waiting; ";
  if (queued < kQueueMatters) {
    const double busy = summary.cluster.utilisation.value_or(1);
    if (busy < kIdle)
      return {Bottleneck::kNone, "engines are busy for " + format_percent(busy) +
                                     " of the window, and requests hardly wait (" +
                                     format_percent(queued) + " of their time)"};
    return what_bounds_a_step(
        summary, "hardly a request waits, so only faster steps would serve it sooner; ");
  }

  const WaitCauses causes = causes_of_waiting(result, summary.window);
  const double most = std::max({causes.imbalance, causes.blocks, causes.sequences, causes.steps});
  if (most == causes.steps) return what_bounds_a_step(summary, queue_text);
  const std::string share =
      format_percent(most / causes.total()) + " of the waiting happens while ";
  if (most == causes.imbalance)
    return {Bottleneck::kImbalance,
            queue_text + share + "another engine of the same pool is mostly idle"};
  const bool blocks = most == causes.blocks;
  const std::string full = share + (blocks ? "90 % or more of the KV blocks are in use"
                                           : "90 % or more of max_sequences run");
  const double shared = share_paid_by_batch(summary.cluster);
  if (shared < kBatchHelps)
    return what_bounds_a_step(summary, queue_text + full +
                                           ", but a larger batch would share only " +
                                           format_percent(shared) + " of the busy time; ");
  return {blocks ? Bottleneck::kCacheCapacity : Bottleneck::kSequenceLimit,
          queue_text + full + ", and a larger batch would share " + format_percent(shared) +
              " of the busy time"};
}

}  // namespace scsim::analysis
