#include "sim/main/cluster_arguments.h"

#include <utility>

#include "sim/main/commands.h"
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
  for (const std::string& setting : arguments.settings)
    words.insert(words.end(), {"--set", setting});
  if (arguments.seed) words.insert(words.end(), {"--seed", std::to_string(*arguments.seed)});
  return words;
}

ExitCode make_cluster(const ClusterArguments& arguments, std::optional<sim::Cluster>& cluster) {
  std::shared_ptr<cost_models::MeasuredCosts> measured;
  if (!arguments.profile.empty()) {
    auto profile = read_profile(arguments.profile);
    if (!profile) return fail(profile.error());
    measured = std::make_shared<cost_models::MeasuredCosts>();
    measured->path = arguments.profile;
    measured->profile = *std::move(profile);
    measured->draw = arguments.draw;
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
  if (arguments.seed) config.set_seed(static_cast<std::uint64_t>(*arguments.seed));
  auto made = sim::resolve_cluster(config, measured);
  if (!made) return fail(made.error());
  cluster = *std::move(made);
  return ExitCode::kOk;
}

}  // namespace scsim::program
