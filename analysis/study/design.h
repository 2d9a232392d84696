// A study: which runs, and what tells them apart.
//
//   auto study = read_study("s.yaml", {});        // every key checked at every point
//   for (const Point& point : study->points()) {
//     PointInputs inputs = study->inputs(point);  // cluster, trace, load, seed
//
// Points are all combinations of the axes' levels, each replicated. Replicate r has the same seed
// and the same trace at every point (common random numbers), so that differences between points are
// free of what all of them share.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cost_models/profile.h"
#include "sim/cluster.h"
#include "traces/expected.h"

namespace scsim::proto {
class ClusterConfig;
class StudyConfig;
}  // namespace scsim::proto

namespace scsim::analysis {

struct Level {
  std::string name;              // as written
  std::vector<std::string> set;  // "key=value": of the cluster, or load, or trace
};
struct Axis {
  std::string name;  // a column of the database
  std::vector<Level> levels;
};

struct Point {
  std::vector<std::size_t> levels;  // one for each axis
  int replicate = 0;
  friend bool operator==(const Point&, const Point&) = default;
};

// Which requests a run serves.
struct Workload {
  std::string trace;                    // path of a trace or a recipe, from where the program runs
  std::optional<std::uint64_t> seed{};  // of a recipe; absent: the recipe's own
  double load = 1;
  int replicate = 0;  // added to the recipe's seed
  friend auto operator<=>(const Workload&, const Workload&) = default;
};

// Measured costs by path, each read once.
class Profiles {
 public:
  // Null for no path.
  Expected<std::shared_ptr<const cost_models::MeasuredCosts>> read(const std::string& path);

 private:
  std::map<std::string, std::shared_ptr<const cost_models::MeasuredCosts>> read_;
};

struct PointInputs {
  std::shared_ptr<const proto::ClusterConfig> cluster;
  Workload workload;
  std::shared_ptr<const cost_models::MeasuredCosts> profile{};  // null: none

  Expected<sim::Cluster> resolve() const { return sim::resolve_cluster(*cluster, profile); }
};

// Traces that are drawn anew by each replicate.
bool is_recipe(const std::string& path);

struct Study {
  std::string name;
  std::string folder;  // that paths of traces are from
  std::vector<Axis> axes;
  int replicates = 1;
  double warm_up = 0.1;
  std::optional<std::uint64_t> seed;
  std::shared_ptr<const proto::ClusterConfig> base;  // with what is set at every point
  Workload base_workload;                            // its path as written
  std::string profile;                               // likewise; empty: none
  std::map<std::string, std::shared_ptr<const cost_models::MeasuredCosts>>
      profiles;                           // that points name, as written
  std::vector<std::string> show, pareto;  // metrics

  // In the order of the axes, the last changing fastest; the replicates of a point together.
  std::vector<Point> points() const;
  // Errors name the level that cannot be set.
  Expected<PointInputs> inputs(const Point& point) const;
  // "pools[0].gpus=4, load=2"; of the study without axes "the one point".
  std::string name_of(const Point& point) const;
  std::string axis_names() const;  // "load, pools[0].gpus"
  // All that every point depends on beside its levels and its replicate, one "key: value" a line.
  std::string common() const;
};

// `settings` override keys of the file, as set_yaml_key() does. Every key is checked at every
// point, and so is the cluster that comes of it: a level with which no point has a valid cluster is
// an error, a single combination that has none is found when it is run.
Expected<Study> read_study(const std::string& path, const std::vector<std::string>& settings);
// The same of a message; paths in it are from `folder`.
Expected<Study> make_study(const proto::StudyConfig& config, const std::string& folder,
                           const std::string& name);

// `path` as seen from where the program runs, if it is written in a file of `folder`.
std::string path_from(const std::string& folder, const std::string& path);

}  // namespace scsim::analysis
