#include "sim/cluster.h"

#include <algorithm>

#include "sim/method_model.h"
#include "sim/power.h"
#include "sim/store/cache_identity.h"
#include "traces/proto/cluster.pb.h"
#include "traces/text.h"
#include "traces/yaml_defaults.h"
#include "traces/yaml_message.h"

namespace scsim::sim {
namespace {

using Measured = std::shared_ptr<const cost_models::MeasuredCosts>;

proto::PoolConfig default_pool(const Measured& measured) {
  proto::PoolConfig pool;
  pool.set_name("pool");
  pool.set_model("llama-3.1-8b");
  pool.set_gpu("h200");
  pool.set_gpus(8);
  pool.set_tensor_parallel(1);
  pool.set_pipeline_parallel(1);
  pool.set_expert_parallel(1);
  pool.set_cache_dtype("bf16");
  pool.set_cost_model("roofline");
  pool.set_gpus_per_node(8);
  pool.mutable_engine()->set_preset("vllm");
  if (measured == nullptr) return pool;
  pool.set_model(measured->profile.design.model.name);
  pool.set_gpu(measured->profile.design.device.name);
  pool.set_gpus(1);
  pool.clear_cache_dtype();  // the profile's
  pool.set_cost_model("profile");
  return pool;
}

// What the pool serves, on what, in which precision.
Expected<void> resolve_shapes(const proto::PoolConfig& config, Pool& pool) {
  auto model = cost_models::find_model(config.model());
  if (!model) return Error{"model: " + model.error().message};
  pool.model = *model;
  auto gpu = cost_models::find_gpu(config.gpu());
  if (!gpu) return Error{"gpu: " + gpu.error().message};
  pool.gpu = *gpu;
  const std::string weights =
      config.weight_dtype().empty() ? pool.model.default_weight_dtype : config.weight_dtype();
  for (const auto& [key, dtype] :
       {std::pair{"weight_dtype: ", weights}, std::pair{"cache_dtype: ", config.cache_dtype()}}) {
    if (auto bits = cost_models::dtype_bits(dtype); !bits) return Error{key + bits.error().message};
  }
  pool.precision = *cost_models::make_precision(weights, config.cache_dtype());
  return {};
}

// The same of a pool at measured costs.
Expected<void> measured_shapes(const proto::PoolConfig& config,
                               const cost_models::MeasuredCosts& measured, Pool& pool) {
  const Profile& profile = measured.profile;
  const auto other = [&](const std::string& key, const std::string& value, const std::string& what,
                         const std::string& measured_one) {
    return Error{key + ": \"" + value + "\" is not the " + what + " that " + measured.path +
                 " is of, \"" + measured_one +
                 "\"; leave the key out, or give the pool another cost_model"};
  };
  if (!cost_models::is_profiled_model(profile, config.model()))
    return other("model", config.model(), "model", profile.design.model.name);
  if (!cost_models::is_profiled_device(profile, config.gpu()))
    return other("gpu", config.gpu(), "device", profile.design.device.name);
  auto model = cost_models::profiled_model(profile);
  if (!model) return Error{"cost_model: " + model.error().message};
  if (const auto known = cost_models::find_model(config.model())) model = *known;
  pool.model = *model;
  pool.gpu = cost_models::profiled_device(profile);
  for (const auto& [key, value] : {std::pair{"weight_dtype", config.weight_dtype()},
                                   std::pair{"cache_dtype", config.cache_dtype()}}) {
    if (!value.empty())
      return Error{std::string(key) + ": the profile's costs are of " +
                   profile.design.model.weights_format + " weights and " +
                   profile.design.model.kv_type + " KV; leave the key out"};
  }
  const auto precision = cost_models::profiled_precision(profile);
  if (!precision) return Error{"cost_model: " + precision.error().message};
  pool.precision = *precision;
  if (pool.gpu.host_bandwidth.value() <= 0 && config.engine().preemption() == "swap")
    return Error{"engine.preemption: swap: " + measured.path +
                 " knows no bandwidth between device and host; only recompute is modelled"};
  return {};
}

// Blocks of an engine: as configured, or what the memory plan leaves.
Expected<std::int64_t> blocks_of(const proto::PoolConfig& config, Pool& pool) {
  const bool planned = pool.gpu.memory_bandwidth.value() > 0 && pool.model.source != "the profile";
  if (planned) {
    auto memory = cost_models::plan_memory(
        pool.model, pool.gpu, pool.parallel, pool.precision, pool.knobs.gpu_memory_utilization,
        pool.knobs.max_batched_tokens, pool.knobs.max_sequences, pool.knobs.block_tokens);
    if (!memory) return Error{"gpu: " + memory.error().message};
    pool.memory = *memory;
  }
  if (config.engine().has_num_blocks())
    return static_cast<std::int64_t>(config.engine().num_blocks());
  if (planned) return pool.memory.num_blocks;
  return Error{
      "engine.num_blocks: how many KV blocks an engine has does not follow from the "
      "profile; give it (\"--set pools[0].engine.num_blocks=N\")"};
}

// What a method asks of the engine that runs it.
void keep_to(const MethodModel& method, Pool& pool, std::vector<std::string>& honesty) {
  honesty.insert(honesty.end(), method.honesty.begin(), method.honesty.end());
  if (method.chunked || !pool.knobs.chunked_prefill) return;
  pool.knobs.chunked_prefill = false;
  honesty.push_back("prefill is not chunked in pool " + pool.name + ": " + method.text +
                    " has to see a prompt whole");
}

// Methods of tenants and classes, and what methods do not go with yet.
Expected<void> resolve_methods(const proto::ClusterConfig& config, const StoreSettings& store,
                               const Measured& measured, const std::string& cost_model, Pool& pool,
                               std::vector<std::string>& honesty) {
  const auto resolve = [&](const std::string& whose, const std::string& name,
                           const std::string& text, auto& into) -> Expected<void> {
    if (text.empty()) return {};
    auto method = make_method_model(text, pool.model, pool.precision, pool.knobs.block_tokens,
                                    cost_model == "profile" ? measured.get() : nullptr);
    if (!method) return Error{whose + ": " + name + ": method: " + method.error().message};
    for (const MethodModel* one : {method->get(), pool.method.get()}) {
      if (one == nullptr ||
          (one->text == text && pool.method != nullptr && pool.method->text == one->text))
        continue;
      if (one->reads || one->cache_share != 1)
        return Error{whose + ": " + name + ": method " + one->text +
                     " beside others in one pool is not modelled yet, as its decode steps read a "
                     "part of the cache; give it a pool of its own"};
    }
    if (*method != nullptr) keep_to(**method, pool, honesty);
    into[name] = *std::move(method);
    return {};
  };
  for (const TenantSettings& tenant : store.tenants) {
    const auto done = resolve("tenants", tenant.name, tenant.method, pool.method_of_tenant);
    if (!done) return done;
  }
  for (const proto::SloConfig& slo : config.slos()) {
    const auto done = resolve("slos", slo.name(), slo.method(), pool.method_of_class);
    if (!done) return done;
  }
  std::vector<const MethodModel*> all = {pool.method.get()};
  for (const auto* own : {&pool.method_of_tenant, &pool.method_of_class})
    for (const auto& [name, method] : *own) all.push_back(method.get());
  for (const MethodModel* method : all) {
    if (method == nullptr || method->compression == nullptr) continue;
    const std::string head = "method " + method->text + " in pool " + pool.name + ": ";
    if (!store.tiers.empty())
      return Error{head + "tiers of compressed caches are not modelled yet"};
    if (pool.knobs.preemption == EngineKnobs::Preemption::kSwap)
      return Error{head + "preemption: swap of compressed caches is not modelled yet"};
    for (const TenantSettings& tenant : store.tenants)
      if (tenant.hbm() != nullptr)
        return Error{head + "limits in hbm beside compressed caches are not modelled yet"};
  }
  return {};
}

Expected<AutoscaleSettings> resolve_autoscale(const proto::PoolConfig& config, int engines) {
  AutoscaleSettings settings;
  if (!config.has_autoscale()) return settings;
  proto::AutoscaleConfig given = config.autoscale();
  fill_yaml_defaults(given);
  using Policy = AutoscaleSettings::Policy;
  const auto duration = [](std::uint64_t ns) { return Duration(static_cast<std::int64_t>(ns)); };
  settings.policy = given.policy() == "queue" ? Policy::kQueue
                    : given.policy() == "slo" ? Policy::kSlo
                                              : Policy::kTargetTracking;
  const double otherwise = settings.policy == Policy::kSlo     ? 0.99
                           : settings.policy == Policy::kQueue ? 1
                                                               : 8;
  settings.target = given.has_target() ? given.target() : otherwise;
  settings.least = static_cast<int>(given.min_engines());
  settings.period = duration(given.period_ns());
  settings.cold_start = duration(given.cold_start_ns());
  settings.keep = duration(given.keep_ns());
  if (settings.least > engines)
    return Error{"autoscale.min_engines: " + std::to_string(settings.least) +
                 " are more than the pool's " + std::to_string(engines)};
  if (settings.policy == Policy::kSlo && settings.target > 1)
    return Error{"autoscale.target: policy slo wants a share, 0 to 1"};
  return settings;
}

Expected<Pool> resolve_pool(const proto::PoolConfig& config, const Measured& measured,
                            std::vector<std::string>& honesty) {
  Pool pool;
  pool.name = config.name();
  pool.model_name = config.model();
  pool.serves_every_model = config.serves_every_model();
  pool.price_per_gpu_hour = config.price_per_gpu_hour();
  const bool at_measured_costs = config.cost_model() == "profile" && measured != nullptr;
  if (auto shapes = at_measured_costs ? measured_shapes(config, *measured, pool)
                                      : resolve_shapes(config, pool);
      !shapes)
    return shapes.error();

  pool.parallel.tensor = static_cast<int>(config.tensor_parallel());
  pool.parallel.pipeline = static_cast<int>(config.pipeline_parallel());
  pool.parallel.expert = static_cast<int>(config.expert_parallel());
  if (pool.parallel.expert > 1 && pool.parallel.expert % pool.parallel.tensor != 0) {
    return Error{"expert_parallel: " + std::to_string(pool.parallel.expert) +
                 " is not a multiple of tensor_parallel " + std::to_string(pool.parallel.tensor)};
  }
  pool.gpus_per_engine = pool.parallel.tensor * pool.parallel.pipeline;
  if (config.gpus() % static_cast<std::uint32_t>(pool.gpus_per_engine) != 0) {
    return Error{"gpus: " + std::to_string(config.gpus()) +
                 " is not a multiple of tensor_parallel * pipeline_parallel = " +
                 std::to_string(pool.gpus_per_engine)};
  }
  if (pool.parallel.expert > static_cast<int>(config.gpus()) / pool.parallel.pipeline) {
    return Error{"expert_parallel: " + std::to_string(pool.parallel.expert) +
                 " GPUs are more than the pool has"};
  }
  pool.engines = static_cast<int>(config.gpus()) / pool.gpus_per_engine;
  pool.gpus_per_node = static_cast<int>(config.gpus_per_node());
  pool.share_nodes = config.share_nodes();
  pool.role = config.role() == "prefill"  ? Role::kPrefill
              : config.role() == "decode" ? Role::kDecode
                                          : Role::kBoth;

  auto autoscale = resolve_autoscale(config, pool.engines);
  if (!autoscale) return autoscale.error();
  pool.autoscale = *autoscale;

  auto knobs = resolve_knobs(config.engine());
  if (!knobs) return knobs.error();
  pool.knobs = *knobs;
  if (pool.model.has_recurrent_layers() && pool.knobs.prefix_caching) {
    pool.knobs.prefix_caching = false;
    honesty.push_back("prefix caching is off in pool " + pool.name + ": " + pool.model.name +
                      " has recurrent layers, whose state can be reused at saved points only");
  }
  auto blocks = blocks_of(config, pool);
  if (!blocks) return blocks.error();
  auto method = make_method_model(config.method().empty() ? "full" : config.method(), pool.model,
                                  pool.precision, pool.knobs.block_tokens,
                                  at_measured_costs ? measured.get() : nullptr);
  if (!method) return Error{"method: " + method.error().message};
  pool.method = *std::move(method);
  if (pool.method != nullptr) {
    *blocks = static_cast<std::int64_t>(static_cast<double>(*blocks) / pool.method->cache_share);
    keep_to(*pool.method, pool, honesty);
  }
  pool.num_blocks = *blocks - 1;  // vLLM keeps one block of its pool for itself
  if (pool.num_blocks < 1)
    return Error{"engine.num_blocks: the memory plan leaves no room for KV blocks"};
  // As in vLLM, any one request that is not refused fits into the blocks.
  const std::int64_t fits = pool.num_blocks * pool.knobs.block_tokens;
  const std::int64_t allowed = pool.model.max_context > 0 ? pool.model.max_context : fits;
  pool.max_model_len =
      pool.knobs.max_model_len > 0 ? pool.knobs.max_model_len : std::min(allowed, fits);
  if (pool.max_model_len > fits) {
    return Error{"engine.max_model_len: " + format_integer(pool.max_model_len) +
                 " tokens do not fit into the " + format_integer(pool.num_blocks) +
                 " KV blocks of an engine; at most " + format_integer(fits) + " do"};
  }
  if (pool.max_model_len < allowed && pool.knobs.max_model_len == 0) {
    honesty.push_back(
        "max_model_len of pool " + pool.name + " is " + format_integer(pool.max_model_len) +
        ", as much as its KV blocks hold; the model allows " + format_integer(allowed));
  }

  auto cost_model = cost_models::make_cost_model(
      config.cost_model(),
      {pool.gpu, pool.model, pool.parallel, pool.precision, Seconds(pool.knobs.step_overhead_s),
       Seconds(pool.knobs.request_overhead_s), measured,
       pool.method == nullptr ? std::nullopt : pool.method->profiled});
  if (!cost_model) return Error{"cost_model: " + cost_model.error().message};
  pool.cost_model = std::move(*cost_model);
  if (pool.method != nullptr && pool.method->reads)
    pool.cost_model = with_partial_reads(std::move(pool.cost_model), *pool.method->reads);
  for (const std::string& line : pool.cost_model->honesty()) honesty.push_back(line);
  for (const EnginePreset& preset : engine_presets()) {
    if (preset.name != config.engine().preset() || preset.verified) continue;
    honesty.push_back("unverified: no recorded run of " + preset.name +
                      " backs the engine preset of pool " + pool.name);
  }
  return pool;
}

}  // namespace

proto::ClusterConfig default_cluster_config() {
  proto::ClusterConfig config;
  config.set_name("one node of 8 x H200");
  *config.add_pools() = default_pool(nullptr);
  config.mutable_pools(0)->set_serves_every_model(true);
  config.mutable_router()->set_policy("prefix_aware");
  proto::SloConfig& slo = *config.add_slos();
  slo.set_name("default");
  slo.set_ttft_ns(5'000'000'000);
  slo.set_tpot_ns(50'000'000);
  return config;
}

const MethodModel* Pool::method_for(const std::string& slo_class, const std::string& tenant) const {
  if (const auto own = method_of_class.find(slo_class); own != method_of_class.end())
    return own->second.get();
  if (const auto own = method_of_tenant.find(tenant); own != method_of_tenant.end())
    return own->second.get();
  return method.get();
}

Expected<Cluster> resolve_cluster(const proto::ClusterConfig& given, const Measured& measured) {
  proto::ClusterConfig config = default_cluster_config();
  if (measured != nullptr) {
    config.set_name("one engine on " + measured->profile.design.device.name);
    *config.mutable_pools(0) = default_pool(measured);
  }
  if (given.pools_size() > 0) config.clear_pools();
  if (given.slos_size() > 0) config.clear_slos();
  config.MergeFrom(given);
  // Where all pools but one prefill for it, that one serves every model.
  int only = -1;
  for (int i = 0; i < config.pools_size(); ++i) {
    if (config.pools(i).role() != "prefill") only = only == -1 ? i : config.pools_size();
  }
  for (int i = 0; i < config.pools_size(); ++i) {
    // A pool with a cost model of its own has nothing of the profile's.
    const std::string& cost_model = config.pools(i).cost_model();
    const bool own_costs = !cost_model.empty() && cost_model != "profile";
    proto::PoolConfig pool = default_pool(own_costs ? nullptr : measured);
    if (config.pools_size() > 1) pool.set_name("pool" + std::to_string(i));
    pool.MergeFrom(config.pools(i));
    if (config.pools_size() == 1 || (i == only && pool.role() != "prefill"))
      pool.set_serves_every_model(true);
    *config.mutable_pools(i) = pool;
  }

  Cluster cluster;
  cluster.name = config.name();
  for (int i = 0; i < config.pools_size(); ++i) {
    auto pool = resolve_pool(config.pools(i), measured, cluster.honesty);
    if (!pool) return Error{"pools[" + std::to_string(i) + "]." + pool.error().message};
    proto::EngineConfig& engine = *config.mutable_pools(i)->mutable_engine();
    engine = knobs_as_config(engine.preset(), pool->knobs);
    engine.set_num_blocks(static_cast<std::uint64_t>(pool->num_blocks) + 1);
    engine.set_max_model_len(static_cast<std::uint64_t>(pool->max_model_len));
    if (config.has_energy()) {
      auto watts = resolve_power(*pool, *config.mutable_pools(i)->mutable_power(), cluster.honesty);
      if (!watts) return Error{"pools[" + std::to_string(i) + "]." + watts.error().message};
      pool->watts = *watts;
    } else if (config.pools(i).has_power()) {
      return Error{"pools[" + std::to_string(i) +
                   "].power: of no use without energy; add \"energy: {}\" to the cluster"};
    }
    config.mutable_pools(i)->clear_method();
    if (pool->method != nullptr) config.mutable_pools(i)->set_method(pool->method->text);
    cluster.pools.push_back(std::move(*pool));
  }
  const bool roles =
      std::ranges::any_of(cluster.pools, [](const Pool& p) { return p.role != Role::kBoth; });
  if ((config.has_store() && config.store().tiers_size() > 0) || roles) config.mutable_network();
  if (roles) config.mutable_disaggregation();
  fill_yaml_defaults(config);
  auto store = resolve_store(config, cluster.honesty);
  if (!store) return store.error();
  cluster.store = *std::move(store);
  for (std::size_t i = 0; i < cluster.pools.size(); ++i) {
    const std::string& cost_model = config.pools(static_cast<int>(i)).cost_model();
    auto methods = resolve_methods(config, cluster.store, measured, cost_model, cluster.pools[i],
                                   cluster.honesty);
    if (!methods) return methods.error();
  }
  auto disaggregation = resolve_disaggregation(config, cluster.pools);
  if (!disaggregation) return disaggregation.error();
  cluster.disaggregation = *disaggregation;
  for (const Pool& pool : cluster.pools) {
    if (cluster.store.tiers.empty()) break;
    if (pool.gpu.host_bandwidth.value() <= 0 && cluster.store.pcie_bytes_per_second <= 0) {
      return Error{"network.pcie_bandwidth: tiers need it, as pool " + pool.name + " runs on " +
                   pool.gpu.name + ", whose bandwidth to its host is not known"};
    }
    if (pool.model.has_recurrent_layers()) {
      return Error{"store.tiers: pool " + pool.name + " serves " + pool.model.name +
                   ", whose recurrent state can be reused at saved points only; tiers of that are "
                   "not modelled"};
    }
    for (const cost_models::LayerClass& layers : pool.model.layers) {
      if (layers.mixer != cost_models::LayerClass::Mixer::kSlidingWindow) continue;
      cluster.honesty.push_back(
          "left out: the store's bytes have no KV of the sliding-window layers of " +
          pool.model.name);
    }
  }
  for (const Pool& pool : cluster.pools) {
    std::int64_t guaranteed = 0;
    for (const PartitionLimit& limit : CacheIdentity::hbm_limits(cluster, pool))
      guaranteed += limit.guarantee;
    if (guaranteed > pool.num_blocks) {
      return Error{"tenants: the guarantees in hbm add up to more than the " +
                   format_integer(pool.num_blocks) + " blocks of an engine of pool " + pool.name};
    }
  }
  if (config.has_failures()) {
    auto failures = resolve_failures(config.failures(), cluster);
    if (!failures) return Error{"failures." + failures.error().message};
    cluster.failures = *std::move(failures);
    for (std::size_t i = 0; i < cluster.pools.size(); ++i)
      if (cluster.failures.any() &&
          cluster.pools[i].autoscale.policy != AutoscaleSettings::Policy::kNone)
        return Error{"failures: beside pools[" + std::to_string(i) +
                     "].autoscale they are not modelled yet"};
  }
  for (std::size_t i = 0; cluster.disaggregation.on && i < cluster.pools.size(); ++i) {
    if (cluster.failures.any())
      return Error{"failures: beside pools with a role, such as pools[" + std::to_string(i) +
                   "], they are not modelled yet"};
    if (cluster.pools[i].autoscale.policy != AutoscaleSettings::Policy::kNone)
      return Error{"pools[" + std::to_string(i) +
                   "].autoscale: beside pools with a role it is not modelled yet"};
  }
  cluster.admission.most = static_cast<std::int64_t>(config.admission().max_requests());
  for (const proto::ClassLimitConfig& limit : config.admission().classes())
    cluster.admission.classes.push_back(
        {limit.slo(), static_cast<std::int64_t>(limit.max_requests())});
  if (config.has_energy()) {
    cluster.grams_co2_per_kwh = config.energy().grams_co2_per_kwh();
    cluster.pue = config.energy().pue();
  }
  cluster.router = config.router().policy();
  for (const auto& [key, value] : config.router().parameters())
    cluster.router_parameters[key] = value;
  cluster.staleness = Duration(static_cast<std::int64_t>(config.router().staleness_ns()));
  cluster.seed = config.seed();
  auto router = make_router(cluster.router, cluster.router_parameters, cluster.seed);
  if (!router) return router.error();
  for (const proto::SloConfig& slo : config.slos()) {
    SloClass target;
    target.name = slo.name();
    const auto duration = [](std::uint64_t ns) {
      return ns > 0 ? std::optional(Duration(static_cast<std::int64_t>(ns))) : std::nullopt;
    };
    target.ttft = duration(slo.ttft_ns());
    target.tpot = duration(slo.tpot_ns());
    target.e2e = duration(slo.e2e_ns());
    cluster.slos.push_back(target);
  }
  cluster.request_timeout = Duration(static_cast<std::int64_t>(config.request_timeout_ns()));
  cluster.text = write_yaml(config);
  std::ranges::sort(cluster.honesty);
  cluster.honesty.erase(std::unique(cluster.honesty.begin(), cluster.honesty.end()),
                        cluster.honesty.end());
  return cluster;
}

}  // namespace scsim::sim
