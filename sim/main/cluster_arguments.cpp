#include "sim/main/cluster_arguments.h"

#include <map>
#include <tuple>
#include <utility>

#include "sim/main/commands.h"
#include "sim/method_model.h"
#include "traces/proto/cluster.pb.h"
#include "traces/yaml_message.h"

namespace scsim::program {

std::vector<Argument> cluster_arguments(ClusterArguments& arguments) {
  return {{.name = "--cluster",
           .value_name = "FILE",
           .into = &arguments.cluster,
           .sentence =
               "what serves it, as YAML: `scsim help cluster`; one node of 8 x H200 unless given",
           .completes = Completes::kFile},
          {.name = "--profile",
           .value_name = "FILE",
           .into = &arguments.profile,
           .sentence = "measured costs and accuracy, of `scsim fit`: one engine of its model on "
                       "its device unless a cluster is given",
           .completes = Completes::kFile},
          {.name = "--method",
           .value_name = "NAME[:KEY=VALUE,...]",
           .into = &arguments.method,
           .sentence = "long-context method of every pool, such as snapkv:budget=1024; full "
                       "attention unless given"},
          {.name = "--set",
           .value_name = "KEY=VALUE",
           .into = &arguments.settings,
           .sentence = "a key of the cluster, such as pools[0].gpu=h100"},
          {.name = "--seed",
           .value_name = "N",
           .into = &arguments.seed,
           .sentence = "of random choices that policies make"}};
}

std::vector<std::string> words(const ClusterArguments& arguments) {
  std::vector<std::string> words;
  if (!arguments.cluster.empty()) words.insert(words.end(), {"--cluster", arguments.cluster});
  if (!arguments.profile.empty()) words.insert(words.end(), {"--profile", arguments.profile});
  if (!arguments.method.empty()) words.insert(words.end(), {"--method", arguments.method});
  for (const std::string& setting : arguments.settings)
    words.insert(words.end(), {"--set", setting});
  if (arguments.seed) words.insert(words.end(), {"--seed", std::to_string(*arguments.seed)});
  return words;
}

ExitCode make_cluster(const ClusterArguments& arguments, MadeCluster& into) {
  std::shared_ptr<cost_models::MeasuredCosts> measured;
  if (!arguments.profile.empty()) {
    measured = std::make_shared<cost_models::MeasuredCosts>();
    if (into.measured != nullptr) {
      *measured = *into.measured;
    } else {
      auto profile = read_profile(arguments.profile);
      if (!profile) return fail(profile.error());
      measured->path = arguments.profile;
      measured->profile = *std::move(profile);
    }
    measured->draw = arguments.draw;
    into.measured = measured;
    if (measured->profile.fits.empty()) measured = nullptr;  // of its accuracy alone
  }
  proto::ClusterConfig config;
  if (!arguments.cluster.empty()) {
    if (const auto read = read_yaml_file(arguments.cluster, config); !read)
      return fail(read.error());
  } else if (measured != nullptr) {
    config.add_pools();
  } else {
    config = sim::default_cluster_config();
  }
  for (const std::string& setting : arguments.settings) {
    const auto set = set_yaml_key(setting, config);
    if (!set) return fail("--set " + set.error().message, ExitCode::kUsageError);
  }
  if (!arguments.method.empty()) {
    if (config.pools_size() == 0) config.add_pools();
    for (proto::PoolConfig& pool : *config.mutable_pools()) pool.set_method(arguments.method);
  }
  if (arguments.seed) config.set_seed(static_cast<std::uint64_t>(*arguments.seed));
  auto made = sim::resolve_cluster(config, measured);
  if (!made) return fail(made.error());
  into.cluster = *std::move(made);
  return ExitCode::kOk;
}

analysis::MethodOf method_of(const MadeCluster& made, const Result& result) {
  std::vector<const sim::Pool*> pools;  // of each engine
  for (const sim::Pool& pool : made.cluster->pools)
    pools.insert(pools.end(), static_cast<std::size_t>(pool.engines), &pool);
  // Every request of a pool, tenant and class has the same.
  using Key = std::tuple<const sim::Pool*, std::uint32_t, std::uint32_t>;
  using Known = std::map<Key, analysis::AnsweredBy>;
  return [pools, &made, &result, known = std::make_shared<Known>()](const RequestResult& request) {
    const sim::Pool& pool =
        *pools[request.engine < 0 ? 0 : static_cast<std::size_t>(request.engine)];
    const auto [place, is_new] = known->try_emplace({&pool, request.tenant, request.slo});
    if (!is_new) return place->second;
    const sim::MethodModel* method = pool.method_for(result.tables.slos[request.slo].name,
                                                     result.tables.tenants[request.tenant].name);
    analysis::AnsweredBy by{.text = method == nullptr ? "full" : method->text, .place = {}};
    by.exact = method == nullptr || method->reuse == methods::ReuseClass::kExact;
    if (cost_models::is_profiled_model(made.measured->profile, pool.model_name))
      by.place = sim::profiled_method(made.measured->profile, by.text);
    return place->second = by;
  };
}

}  // namespace scsim::program
