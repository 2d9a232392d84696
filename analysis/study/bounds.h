// What no run of a cluster can be better than, in closed form, so that what cannot meet a limit is
// never run. Floors rest on INV-MONOTONE: more tokens never cost a step less; they are asked for
// clusters at the roofline's costs alone, which keep it.
//
//   ttft   a request's first token ends a step that computes at least one token of a prompt: no
//          TTFT is below the seconds of a step with one token and none before it.
//   tpot   every later token takes a step of its own: no TPOT is below that of one decode at a
//          context of one token. (Gaps between tokens are read off bins, and have no floor here.)
//   e2e    the first token and (least output - 1) later ones; the first alone where an engine cuts
//          answers short.
//   known  GPUs and dollars per hour follow from the cluster alone: no run changes them.
//
// Floors hold for each request, and so for every mean and quantile over some of them.
#pragma once

#include <cstdint>
#include <optional>

#include "sim/cluster.h"
#include "traces/trace.h"

namespace scsim::analysis {

struct TraceFacts {
  std::uint64_t requests = 0;
  std::int64_t least_output = 1;  // tokens of the shortest answer
  std::int64_t most_tokens = 0;   // of a prompt and its answer
};
Expected<TraceFacts> read_facts(TraceReader& trace);

// What the metric (of metric_table()) is at least in any run; absent: nothing is known.
std::optional<double> floor_of(std::size_t metric, const sim::Cluster& cluster,
                               const TraceFacts& facts);
// What the metric is in every run, where the cluster alone decides it.
std::optional<double> known_value(std::size_t metric, const sim::Cluster& cluster);

}  // namespace scsim::analysis
