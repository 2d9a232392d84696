// What a plan asks for: the file, limits and margins.
#include "analysis/study/plan.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>

#include "analysis/study/metrics.h"
#include "traces/proto/cluster.pb.h"
#include "traces/proto/plan.pb.h"
#include "traces/text.h"
#include "traces/yaml_defaults.h"
#include "traces/yaml_message.h"

namespace scsim::analysis {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

Expected<double> parse_limit(const Metric& metric, const std::string& text) {
  switch (metric.unit) {
    case MetricUnit::kSeconds:
      return parse_seconds(text);
    case MetricUnit::kFraction:
      return parse_fraction(text);
    default:
      return parse_double(text);
  }
}

Expected<Constraint> make_constraint(const proto::RequireConfig& config) {
  const auto metric = find_metric(config.metric());
  if (!metric) return Error{"metric: " + metric.error().message};
  Constraint constraint;
  constraint.metric = *metric;
  if (config.at_most().empty() == config.at_least().empty())
    return Error{config.metric() + ": expected either at_most or at_least"};
  const bool most = !config.at_most().empty();
  const auto limit =
      parse_limit(metric_table()[*metric], most ? config.at_most() : config.at_least());
  if (!limit) return Error{std::string(most ? "at_most: " : "at_least: ") + limit.error().message};
  (most ? constraint.at_most : constraint.at_least) = *limit;
  return constraint;
}

proto::StudyConfig as_study(const proto::PlanConfig& config) {
  proto::StudyConfig study;
  study.set_name(config.name());
  study.add_trace(config.trace());
  study.set_cluster(config.cluster());
  study.set_profile(config.profile());
  *study.mutable_set() = config.set();
  study.set_load(config.load());
  if (config.has_seed()) study.set_seed(config.seed());
  study.set_warm_up(config.warm_up());
  *study.mutable_vary() = config.search();
  return study;
}

}  // namespace

double Constraint::margin(double value) const {
  if (std::isnan(value)) return -kInfinity;
  const double limit = at_most ? *at_most : *at_least;
  const double inside = at_most ? limit - value : value - limit;
  return limit == 0 ? inside : inside / std::abs(limit);
}

std::string Constraint::limit_text() const {
  return (at_most ? "<= " : ">= ") +
         metric_text(metric_table()[metric], at_most ? *at_most : *at_least);
}

bool Plan::meets_all(const JobResult& result) const {
  if (result.metrics.empty()) return false;
  return std::ranges::all_of(constraints, [&](const Constraint& constraint) {
    return constraint.met(result.metrics[constraint.metric]);
  });
}

Plan::Least Plan::least_margin(const JobResult& result) const {
  Least least{kInfinity, 0};
  if (result.metrics.empty()) return {-kInfinity, 0};
  for (std::size_t c = 0; c < constraints.size(); ++c) {
    const double margin = constraints[c].margin(result.metrics[constraints[c].metric]);
    if (margin < least.margin) least = {margin, c};
  }
  return least;
}

double Plan::cost(const JobResult& result) const {
  if (result.metrics.empty() || std::isnan(result.metrics[objective])) return kInfinity;
  return cost(result.metrics[objective]);
}

double Plan::cost(double value) const {
  return metric_table()[objective].better == Better::kHigher ? -value : value;
}

Expected<Plan> make_plan(const proto::PlanConfig& given, const std::string& folder,
                         const std::string& name) {
  proto::PlanConfig config = given;
  fill_yaml_defaults(config);
  Plan plan;
  const auto objective = find_metric(config.objective());
  if (!objective) return Error{"objective: " + objective.error().message};
  plan.objective = *objective;
  if (metric_table()[*objective].better == Better::kNeither)
    return Error{"objective: of " + config.objective() + " neither less nor more is better"};
  if (config.require_size() == 0) return Error{"require: this key is required"};
  for (int i = 0; i < config.require_size(); ++i) {
    const auto constraint = make_constraint(config.require(i));
    if (!constraint)
      return Error{"require[" + std::to_string(i) + "]." + constraint.error().message};
    plan.constraints.push_back(*constraint);
  }
  plan.cuts.assign(config.cuts().begin(), config.cuts().end());
  std::ranges::sort(plan.cuts);
  plan.prove = config.prove();
  plan.tolerance = config.tolerance();
  plan.replicates = static_cast<int>(config.replicates());
  auto study = make_study(as_study(config), folder, name);
  if (!study) return study.error();
  plan.study = *std::move(study);
  // A plan that asks for energy has it, by published figures unless the cluster says more.
  const auto asks_for_energy = [](std::size_t metric) {
    return metric_table()[metric].unit == MetricUnit::kJoules;
  };
  if (asks_for_energy(plan.objective) ||
      std::ranges::any_of(plan.constraints, asks_for_energy, &Constraint::metric)) {
    auto base = std::make_shared<proto::ClusterConfig>(*plan.study.base);
    base->mutable_energy();
    plan.study.base = std::move(base);
  }
  if (plan.replicates > 1 && !is_recipe(plan.study.base_workload.trace))
    return Error{"replicates: " + plan.study.base_workload.trace +
                 " is a recorded trace; only a recipe is drawn anew"};
  return plan;
}

Expected<Plan> read_plan(const std::string& path, const std::vector<std::string>& settings) {
  proto::PlanConfig config;
  if (const auto read = read_yaml_file(path, config); !read) return read.error();
  for (const std::string& setting : settings) {
    const auto set = set_yaml_key(setting, config);
    if (!set) return Error{"--set " + set.error().message};
  }
  const std::filesystem::path file(path);
  auto plan = make_plan(config, file.parent_path().string(), file.stem().string());
  if (!plan) return Error{path + ": " + plan.error().message};
  return plan;
}

}  // namespace scsim::analysis
