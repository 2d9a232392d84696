// A cluster as the simulator runs it: pools of like engines, a router, service targets. Made from
// the configuration that people write (traces/proto/cluster.proto).
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cost_models/cost_model_table.h"
#include "cost_models/shapes.h"
#include "sim/admission.h"
#include "sim/autoscale.h"
#include "sim/disaggregation.h"
#include "sim/engine_preset.h"
#include "sim/failures.h"
#include "sim/router.h"
#include "sim/store/store_settings.h"
#include "traces/expected.h"
#include "traces/result.h"
#include "traces/trace.h"

namespace scsim::proto {
class ClusterConfig;
}

namespace scsim::sim {

class MethodModel;

struct Pool {
  std::string name;
  std::string model_name;  // as configured; requests name it
  cost_models::ModelShape model;
  cost_models::GpuShape gpu;
  cost_models::Parallel parallel;
  cost_models::Precision precision;
  cost_models::MemoryPlan memory;
  EngineKnobs knobs;
  std::int64_t num_blocks = 0;  // usable by requests, per engine
  std::int64_t max_model_len = 0;
  int engines = 0, gpus_per_engine = 0;
  int gpus_per_node = 8;
  bool share_nodes = false;  // begins in the last node of the pool before
  double price_per_gpu_hour = 0;
  AutoscaleSettings autoscale;
  Watts watts;  // of an engine; 0 where the cluster tells nothing of energy
  bool serves_every_model = false;
  Role role = Role::kBoth;
  std::unique_ptr<cost_models::StepCostModel> cost_model;
  std::shared_ptr<const MethodModel> method;  // null: full attention
  // Of SLO classes and of tenants with one of their own, by name.
  std::map<std::string, std::shared_ptr<const MethodModel>> method_of_class, method_of_tenant;

  // What the class asks for, or else the tenant, or else the pool; null: full attention.
  const MethodModel* method_for(const std::string& slo_class, const std::string& tenant) const;
};

struct Cluster {
  std::string name;
  std::vector<Pool> pools;
  std::string router;
  PolicyParameters router_parameters;
  Duration staleness{};
  StoreSettings store;
  Disaggregation disaggregation;
  std::vector<SloClass> slos;  // by name; "default" for requests whose class is not among them
  Duration request_timeout{};  // 0: never
  std::uint64_t seed = 0;
  FailureSettings failures;
  AdmissionSettings admission;
  double grams_co2_per_kwh = 0;
  double pue = 0;    // 0: nothing is told of energy
  std::string text;  // the configuration with every value that was left open, as YAML
  std::vector<std::string> honesty;
};

// The built-in cluster: one node of 8 H200 that serves Llama-3.1-8B, an engine per GPU.
proto::ClusterConfig default_cluster_config();

// Keys that are absent are as in the built-in cluster (a pool's as in its pool); with a profile
// pools serve its model on its device, one engine each, at its costs. A pool that names another
// model or device is an error unless it names another cost model too. Errors name the key.
Expected<Cluster> resolve_cluster(
    const proto::ClusterConfig& config,
    const std::shared_ptr<const cost_models::MeasuredCosts>& profile = nullptr);

}  // namespace scsim::sim
