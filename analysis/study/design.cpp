#include "analysis/study/design.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "analysis/study/metrics.h"
#include "sim/cluster.h"
#include "traces/proto/cluster.pb.h"
#include "traces/proto/study.pb.h"
#include "traces/text.h"
#include "traces/yaml_defaults.h"
#include "traces/yaml_message.h"

namespace scsim::analysis {
namespace {

constexpr std::size_t kMostPoints = 10'000'000;

struct Assignment {
  std::string key, value;
};

Expected<Assignment> parse_assignment(const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0)
    return Error{"expected key=value, found " + json_quote(text)};
  return Assignment{std::string(trim(text.substr(0, equals))),
                    std::string(trim(text.substr(equals + 1)))};
}

// Sets a key of the cluster, or of the workload, or the profile.
Expected<void> assign(const std::string& text, proto::ClusterConfig& cluster, Workload& workload,
                      std::string& profile) {
  const auto assignment = parse_assignment(text);
  if (!assignment) return assignment.error();
  if (assignment->key == "trace") {
    workload.trace = assignment->value;
    return {};
  }
  if (assignment->key == "profile") {
    profile = assignment->value;
    return {};
  }
  if (assignment->key == "load") {
    const auto load = parse_double(assignment->value);
    if (!load) return Error{"load: " + load.error().message};
    if (!(*load >= 0.001 && *load <= 1000))
      return Error{"load: must be between 0.001 and 1000, found \"" + assignment->value + "\""};
    workload.load = *load;
    return {};
  }
  return set_yaml_key(text, cluster);
}

Expected<Axis> make_axis(const proto::AxisConfig& config) {
  Axis axis;
  axis.name = config.name().empty() ? config.key() : config.name();
  const bool by_values = !config.key().empty() || config.values_size() > 0;
  if (by_values == (config.cases_size() > 0))
    return Error{": expected either key and values, or cases"};
  if (axis.name.empty()) return Error{".name: cases need a name for their column"};
  if (by_values) {
    if (config.key().empty()) return Error{".key: this key is required beside values"};
    if (config.values_size() == 0) return Error{".values: this key is required beside key"};
    for (const std::string& value : config.values())
      axis.levels.push_back({value, {config.key() + "=" + value}});
  }
  for (const proto::CaseConfig& each : config.cases()) {
    Level level{each.name(), {}};
    level.set.assign(each.set().begin(), each.set().end());
    axis.levels.push_back(std::move(level));
  }
  if (axis.name == "replicate" || find_metric(axis.name))
    return Error{": a column has the name " + axis.name + " already; give the axis another"};
  std::set<std::string> names;
  for (const Level& level : axis.levels)
    if (!names.insert(level.name).second) return Error{": " + level.name + " is there twice"};
  return axis;
}

Expected<void> check_metrics(const char* key, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    if (const auto found = find_metric(name); !found)
      return Error{std::string(key) + ": " + found.error().message};
  }
  return {};
}

// Every profile that a point names.
Expected<void> read_profiles(Study& study) {
  Profiles profiles;
  std::set<std::string> named = {study.profile};
  for (const Axis& axis : study.axes)
    for (const Level& level : axis.levels)
      for (const std::string& text : level.set)
        if (const auto assignment = parse_assignment(text);
            assignment && assignment->key == "profile")
          named.insert(assignment->value);
  named.erase("");
  for (const std::string& path : named) {
    auto read = profiles.read(path_from(study.folder, path));
    if (!read) return read.error();
    study.profiles[path] = *std::move(read);
  }
  return {};
}

// Every key of every point, and that no level is without a single valid cluster.
Expected<void> check_points(const Study& study) {
  struct Seen {
    bool valid = false;
    std::string error;
  };
  std::vector<std::vector<Seen>> seen;
  for (const Axis& axis : study.axes) seen.emplace_back(axis.levels.size());
  for (const Point& point : study.points()) {
    if (point.replicate > 0) continue;
    const auto inputs = study.inputs(point);
    if (!inputs) return inputs.error();
    const auto cluster = inputs->resolve();
    if (study.axes.empty() && !cluster) return cluster.error();
    for (std::size_t a = 0; a < study.axes.size(); ++a) {
      Seen& level = seen[a][point.levels[a]];
      level.valid = level.valid || cluster.has_value();
      if (!cluster && level.error.empty()) level.error = cluster.error().message;
    }
  }
  for (std::size_t a = 0; a < study.axes.size(); ++a)
    for (std::size_t l = 0; l < seen[a].size(); ++l)
      if (!seen[a][l].valid)
        return Error{study.axes[a].name + " = " + study.axes[a].levels[l].name +
                     ": no point with it has a valid cluster; " + seen[a][l].error};
  return {};
}

Expected<void> read_base(const proto::StudyConfig& config, const std::string& folder,
                         Study& study) {
  proto::ClusterConfig base;
  if (config.cluster().empty() && !config.profile().empty()) {
    base.add_pools();  // the profile's model on its device
  } else if (config.cluster().empty()) {
    base = sim::default_cluster_config();
  } else if (const auto read = read_yaml_file(path_from(folder, config.cluster()), base); !read) {
    return read.error();
  }
  study.base_workload.load = config.load();
  study.base_workload.trace = config.trace(0);
  study.base_workload.seed = study.seed;
  study.profile = config.profile();
  for (const std::string& text : config.set()) {
    const auto set = assign(text, base, study.base_workload, study.profile);
    if (!set) return Error{"set: " + set.error().message};
  }
  if (study.seed) base.set_seed(*study.seed);
  study.base = std::make_shared<const proto::ClusterConfig>(std::move(base));
  return {};
}

}  // namespace

Expected<std::shared_ptr<const cost_models::MeasuredCosts>> Profiles::read(
    const std::string& path) {
  auto& known = read_[path];
  if (known || path.empty()) return known;
  auto profile = read_profile(path);
  if (!profile) return profile.error();
  auto measured = std::make_shared<cost_models::MeasuredCosts>();
  measured->path = path;
  measured->profile = *std::move(profile);
  known = std::move(measured);
  return known;
}

bool is_recipe(const std::string& path) {
  return path.ends_with(".yaml") || path.ends_with(".yml");
}

std::string path_from(const std::string& folder, const std::string& path) {
  if (folder.empty() || std::filesystem::path(path).is_absolute()) return path;
  return (std::filesystem::path(folder) / path).lexically_normal().string();
}

std::vector<Point> Study::points() const {
  std::vector<Point> all;
  std::vector<std::size_t> levels(axes.size(), 0);
  while (true) {
    for (int r = 0; r < replicates; ++r) all.push_back({levels, r});
    std::size_t a = axes.size();
    while (a > 0 && ++levels[a - 1] == axes[a - 1].levels.size()) levels[--a] = 0;
    if (a == 0) return all;
  }
}

Expected<PointInputs> Study::inputs(const Point& point) const {
  proto::ClusterConfig cluster = *base;
  Workload workload = base_workload;
  std::string named = profile;
  for (std::size_t a = 0; a < axes.size(); ++a) {
    const Level& level = axes[a].levels[point.levels[a]];
    for (const std::string& text : level.set) {
      const auto set = assign(text, cluster, workload, named);
      if (!set) return Error{"vary: " + axes[a].name + ": " + set.error().message};
    }
  }
  cluster.set_seed(cluster.seed() + static_cast<std::uint64_t>(point.replicate));
  workload.trace = path_from(folder, workload.trace);
  // A recorded trace is the same in every replicate.
  if (is_recipe(workload.trace))
    workload.replicate = point.replicate;
  else
    workload.seed.reset();
  const auto measured = profiles.find(named);
  return PointInputs{std::make_shared<const proto::ClusterConfig>(std::move(cluster)),
                     std::move(workload), measured == profiles.end() ? nullptr : measured->second};
}

std::string Study::name_of(const Point& point) const {
  std::string text;
  for (std::size_t a = 0; a < axes.size(); ++a)
    text += (a > 0 ? ", " : "") + axes[a].name + "=" + axes[a].levels[point.levels[a]].name;
  return text.empty() ? "the one point" : text;
}

std::string Study::axis_names() const {
  std::string names;
  for (const Axis& axis : axes) names += (names.empty() ? "" : ", ") + axis.name;
  return names;
}

std::string Study::common() const {
  std::string text = "warm_up: " + format_shortest(warm_up) + "\n";
  text += "load: " + format_shortest(base_workload.load) + "\n";
  text += "seed: " + (seed ? std::to_string(*seed) : "of each") + "\n";
  text += "trace: " + base_workload.trace + "\n";
  if (!profile.empty()) text += "profile: " + profile + "\n";
  return text + write_yaml(*base);
}

Expected<Study> make_study(const proto::StudyConfig& given, const std::string& folder,
                           const std::string& name) {
  proto::StudyConfig config = given;
  fill_yaml_defaults(config);
  Study study;
  study.name = config.name().empty() ? name : config.name();
  study.folder = folder;
  study.replicates = static_cast<int>(config.replicates());
  study.warm_up = config.warm_up();
  if (config.has_seed()) study.seed = config.seed();
  study.show.assign(config.show().begin(), config.show().end());
  study.pareto.assign(config.pareto().begin(), config.pareto().end());
  if (config.trace_size() == 0) return Error{"trace: this key is required"};
  if (!study.pareto.empty() && study.pareto.size() != 2)
    return Error{"pareto: expected two metrics, found " + std::to_string(study.pareto.size())};
  for (const auto& checked :
       {check_metrics("show", study.show), check_metrics("pareto", study.pareto)})
    if (!checked) return checked.error();
  if (const auto read = read_base(config, folder, study); !read) return read.error();

  if (config.trace_size() > 1) {
    Axis axis{"trace", {}};
    for (const std::string& path : config.trace()) axis.levels.push_back({path, {"trace=" + path}});
    study.axes.push_back(std::move(axis));
  }
  double points = study.replicates;
  for (int i = 0; i < config.vary_size(); ++i) {
    auto axis = make_axis(config.vary(i));
    if (!axis) return Error{"vary[" + std::to_string(i) + "]" + axis.error().message};
    for (const Axis& other : study.axes)
      if (other.name == axis->name) return Error{"vary: " + axis->name + " is there twice"};
    study.axes.push_back(*std::move(axis));
    points *= static_cast<double>(study.axes.back().levels.size());
  }
  if (points > static_cast<double>(kMostPoints))
    return Error{"vary: these are " + format_shortest(points) + " runs; at most 10,000,000"};
  if (const auto read = read_profiles(study); !read) return read.error();
  if (const auto checked = check_points(study); !checked) return checked.error();
  return study;
}

Expected<Study> read_study(const std::string& path, const std::vector<std::string>& settings) {
  proto::StudyConfig config;
  if (const auto read = read_yaml_file(path, config); !read) return read.error();
  for (const std::string& setting : settings) {
    const auto set = set_yaml_key(setting, config);
    if (!set) return Error{"--set " + set.error().message};
  }
  const std::filesystem::path file(path);
  auto study = make_study(config, file.parent_path().string(), file.stem().string());
  if (!study) return Error{path + ": " + study.error().message};
  return study;
}

}  // namespace scsim::analysis
