// The run: the engines of the cluster, and events handled in their order until none is left.
#include "sim/simulation.h"

#include <algorithm>

#include "sim/simulation_state.h"

namespace scsim::sim {

namespace {

std::vector<std::unique_ptr<Engine>> make_engines(const Cluster& cluster, GapBook& gaps,
                                                  TokenPaths& paths) {
  std::size_t total = 0;
  for (const Pool& pool : cluster.pools) total += static_cast<std::size_t>(pool.engines);
  // About 65,000 points of timelines in all, so that ten thousand engines stay affordable.
  const std::size_t bins = std::clamp<std::size_t>(65536 / total, 16, 512) & ~std::size_t{1};
  std::vector<std::unique_ptr<Engine>> engines;
  for (const Pool& pool : cluster.pools) {
    EngineSettings settings;
    settings.pool = pool.name;
    settings.model = pool.model.name;
    settings.role = pool.role == Role::kPrefill  ? "prefill"
                    : pool.role == Role::kDecode ? "decode"
                                                 : "";
    settings.knobs = pool.knobs;
    settings.num_blocks = pool.num_blocks;
    settings.max_model_len = pool.max_model_len;
    settings.cache_bytes_per_token = pool.model.cache_per_token(pool.precision.cache_bits).value();
    settings.gpus = pool.gpus_per_engine;
    settings.host_bytes_per_second = pool.gpu.host_bandwidth.value() * settings.gpus;
    settings.peak_hbm_bytes_per_second = pool.gpu.memory_bandwidth.value() * settings.gpus;
    const FlopsPerSecond peak = pool.precision.fp8_compute ? pool.gpu.fp8 : pool.gpu.bf16;
    settings.peak_flops_per_second = peak.value() * settings.gpus;
    settings.price_per_gpu_hour = pool.price_per_gpu_hour;
    settings.watts = pool.watts;
    settings.cost_model = pool.cost_model.get();
    settings.limits = CacheIdentity::hbm_limits(cluster, pool);
    for (int i = 0; i < pool.engines; ++i) {
      engines.push_back(std::make_unique<Engine>(settings, gaps, bins, &paths));
    }
  }
  return engines;
}

}  // namespace

Simulation::Simulation(TraceReader& trace, const Cluster& cluster, const SimulationOptions& options)
    : trace_(trace),
      cluster_(cluster),
      options_(options),
      arrivals_(trace),
      engines_(make_engines(cluster, gaps_, paths_)),
      identity_(cluster),
      loaded_(engines_.size()),
      plan_(engines_.size()),
      dispatching_(engines_.size()),
      doomed_(engines_.size()),
      frontend_(cluster, engines_),
      gate_(cluster.admission,
            std::ranges::any_of(cluster.store.tenants, [](const TenantSettings& tenant) {
              return tenant.max_requests > 0;
            })) {
  gaps_.by_turn.resize(Result::kMaxTurnGroup + 1);
  for (std::size_t pool = 0; pool < cluster.pools.size(); ++pool) {
    pool_of_engine_.insert(pool_of_engine_.end(),
                           static_cast<std::size_t>(cluster.pools[pool].engines), pool);
  }
}

Expected<Result> Simulation::run() {
  if (Expected<void> made = make_fabric(); !made) return made.error();
  start_failures();
  start_scaling();
  if (Expected<void> read = read_trace(); !read) return read.error();
  while (!queue_.empty()) {
    const auto entry = queue_.pop();
    const Expected<void> handled =
        std::visit([this](const auto& event) { return handle(event); }, entry.event);
    if (!handled) return handled.error();
    expect_transfers();
    if (options_.progress && (queue_.popped() & 0x1FFF) == 0 &&
        !options_.progress(trace_.progress(), arrivals_.num_ended())) {
      return Error{"stopped"};
    }
  }
  if (Expected<void> there = all_got_there(); !there) return there.error();
  // INV-CONSERVE: every request of the trace arrived and ended.
  SCSIM_CHECK(arrivals_.all_read());
  SCSIM_CHECK_EQ(arrivals_.requests(), results_.size());
  SCSIM_CHECK_EQ(arrivals_.num_ended(), results_.size());
  for (const auto& engine : engines_) {
    const Scheduler& scheduler = engine->scheduler();
    SCSIM_CHECK_EQ(scheduler.running() + scheduler.waiting(), 0);
    SCSIM_CHECK_EQ(scheduler.loading() + scheduler.aside(), 0);
    SCSIM_CHECK_EQ(scheduler.pool().used_blocks(), 0);
  }
  Result result;
  finish_result(result);
  return result;
}

Expected<Result> simulate(TraceReader& trace, const Cluster& cluster,
                          const SimulationOptions& options) {
  return Simulation(trace, cluster, options).run();
}

}  // namespace scsim::sim
