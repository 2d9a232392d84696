// What commands that simulate are given beside the trace: a cluster, settings of it, a profile.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "analysis/answers.h"
#include "sim/cluster.h"
#include "traces/program/command.h"

namespace scsim::program {

struct ClusterArguments {
  std::string cluster, profile, method;
  std::vector<std::string> settings;
  std::optional<std::int64_t> seed;
  std::uint64_t draw = 0;  // of the profile's coefficients: cost_models/profile.h
};

// --cluster, --set, --profile and --seed; `arguments` outlives them.
std::vector<Argument> cluster_arguments(ClusterArguments& arguments);
// As they were given, for made_by.
std::vector<std::string> words(const ClusterArguments& arguments);
struct MadeCluster {
  std::optional<sim::Cluster> cluster;
  std::shared_ptr<const cost_models::MeasuredCosts> measured;  // the profile, if one was given
};
// kOk, or what fail() gave. A profile that has accuracy and no costs leaves costs as they are. What
// `made` has of one already is not read again.
ExitCode make_cluster(const ClusterArguments& arguments, MadeCluster& made);
// Who answered a request there, and where the profile has it. REQUIRES: `made` has both, and
// outlives the function.
analysis::MethodOf method_of(const MadeCluster& made, const Result& result);

}  // namespace scsim::program
