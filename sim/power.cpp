#include "sim/power.h"

#include "sim/cluster.h"
#include "traces/proto/cluster.pb.h"
#include "traces/text.h"

namespace scsim::sim {
namespace {

constexpr double kIdleHost = 1.0 / 3;  // of its maximum; an assumption

}  // namespace

Expected<Watts> resolve_power(const Pool& pool, proto::PowerConfig& config,
                              std::vector<std::string>& honesty) {
  const cost_models::GpuShape& gpu = pool.gpu;
  const auto unknown = [&](const std::string& key) {
    return Error{"power." + key + ": no figure of " + gpu.name +
                 " is published that we know; give one"};
  };
  std::string assumed;
  if (!config.has_gpu_active_watts()) {
    if (gpu.peak_watts <= 0) return unknown("gpu_active_watts");
    config.set_gpu_active_watts(gpu.peak_watts);
    assumed = "a GPU in a step draws the data sheet's " + format_shortest(gpu.peak_watts) + " W";
  }
  if (!config.has_gpu_idle_watts()) {
    if (gpu.idle_watts <= 0) return unknown("gpu_idle_watts");
    config.set_gpu_idle_watts(gpu.idle_watts);
  }
  if (!config.has_host_active_watts()) {
    if (gpu.host_watts <= 0) return unknown("host_active_watts");
    config.set_host_active_watts(gpu.host_watts * pool.gpus_per_node);
    assumed += (assumed.empty() ? "" : ", ") + std::string("its node without GPUs up to ") +
               format_shortest(config.host_active_watts()) + " W";
  }
  if (!config.has_host_idle_watts())
    config.set_host_idle_watts(config.host_active_watts() * kIdleHost);
  for (const auto& [idle, active, key] :
       {std::tuple{config.gpu_idle_watts(), config.gpu_active_watts(), "gpu_idle_watts"},
        {config.host_idle_watts(), config.host_active_watts(), "host_idle_watts"}}) {
    if (idle > active)
      return Error{"power." + std::string(key) + ": " + format_shortest(idle) +
                   " W are more than the " + format_shortest(active) + " W while in a step"};
  }
  if (!assumed.empty())
    honesty.push_back("assumed: power of " + gpu.name + " by published figures (" + assumed +
                      "), so energy is an upper bound");
  const double gpus = pool.gpus_per_engine, part = gpus / pool.gpus_per_node;
  return Watts{gpus * config.gpu_idle_watts(), gpus * config.gpu_active_watts(),
               part * config.host_idle_watts(), part * config.host_active_watts()};
}

}  // namespace scsim::sim
