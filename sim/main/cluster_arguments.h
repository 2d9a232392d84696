// What commands that simulate are given beside the trace: a cluster, settings of it, a profile.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sim/cluster.h"
#include "traces/program/command.h"

namespace scsim::program {

struct ClusterArguments {
  std::string cluster, profile;
  std::vector<std::string> settings;
  std::optional<std::int64_t> seed;
  std::uint64_t draw = 0;  // of the profile's coefficients: cost_models/profile.h
};

// --cluster, --set, --profile and --seed; `arguments` outlives them.
std::vector<Argument> cluster_arguments(ClusterArguments& arguments);
// As they were given, for made_by.
std::vector<std::string> words(const ClusterArguments& arguments);
// kOk, or what fail() gave.
ExitCode make_cluster(const ClusterArguments& arguments, std::optional<sim::Cluster>& cluster);

}  // namespace scsim::program
