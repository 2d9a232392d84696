// The main job: a trace and a cluster in, a result out.
//
//   auto reader = TraceReader::open("enterprise_docs.pb");
//   auto cluster = resolve_cluster(default_cluster_config());
//   auto result = simulate(*reader, *cluster, {});
//
// One thread, no globals, deterministic: the result is a function of the trace's bytes and the
// cluster.
#pragma once

#include <functional>

#include "sim/cluster.h"
#include "traces/expected.h"
#include "traces/result.h"
#include "traces/trace.h"

namespace scsim::sim {

struct SimulationOptions {
  // Called every few thousand requests with the part of the trace read (0..1) and the requests
  // ended; false stops the run with an error.
  std::function<bool(double part, std::uint64_t requests)> progress;
};

Expected<Result> simulate(TraceReader& trace, const Cluster& cluster,
                          const SimulationOptions& options);

}  // namespace scsim::sim
