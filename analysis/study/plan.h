// Which cluster is cheapest for a load and targets.
//
//   auto plan = read_plan("p.yaml", {});
//   PlanResult found = *search(*plan, crew, workloads, progress);
//
// Candidates are all combinations of the axes. They fall away, in this order:
// - invalid: the cluster cannot be; the memory plan leaves no room, or counts do not divide.
// - bound: a closed-form floor of a required metric lies beyond the limit (bounds.h).
// - cut: successive halving (Jamieson and Talwalkar, arXiv 1502.07943); on the first part of the
//   requests, the worse half of those that miss a limit by more than a quarter go. This is
//   evidence, not proof, since a longer run may be better; with `prove` there are no cuts.
// - full: the whole trace misses a limit.
// - costlier: not run, since its objective, known beforehand, is worse than that of two that meet
//   all, the plan and its runner-up.
// Where the objective is known beforehand (dollars per hour, GPUs), full runs go from the best on
// and stop at the second that meets all limits; otherwise all that is left is run. What is run does
// not depend on how many threads or ranks run it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "analysis/study/crew.h"
#include "analysis/study/design.h"
#include "traces/expected.h"

namespace scsim::proto {
class PlanConfig;
}

namespace scsim::analysis {

struct Constraint {
  std::size_t metric = 0;  // in metric_table()
  std::optional<double> at_most{}, at_least{};

  // How far inside its limit, as a part of the limit (of a limit of 0: as it is); negative: missed.
  // Minus infinity for NaN.
  double margin(double value) const;
  bool met(double value) const { return margin(value) >= 0; }
  std::string limit_text() const;  // "<= 2 s"
};

struct Plan {
  Study study;  // its axes are those of the search
  std::size_t objective = 0;
  std::vector<Constraint> constraints;
  std::vector<double> cuts;  // ascending parts of the requests
  bool prove = false;
  double tolerance = 0.02;
  int replicates = 1;

  bool meets_all(const JobResult& result) const;
  // The least margin of all constraints, and whose it is.
  struct Least {
    double margin = 0;
    std::size_t constraint = 0;
  };
  Least least_margin(const JobResult& result) const;
  // As a cost: the lower the better; infinite for an error or NaN.
  double cost(const JobResult& result) const;
  double cost(double objective_value) const;
};

Expected<Plan> read_plan(const std::string& path, const std::vector<std::string>& settings);
Expected<Plan> make_plan(const proto::PlanConfig& config, const std::string& folder,
                         const std::string& name);

enum class Fate : std::uint8_t { kInvalid, kBound, kCut, kFull, kCostlier };
struct Candidate {
  Point point;
  Fate fate = Fate::kCostlier;
  std::string reason{};                // of kInvalid and kBound
  std::optional<double> known_cost{};  // of the objective, before any run
  JobResult result{};                  // of kFull
  bool meets_all = false;              // likewise
};

// The largest load carried: all limits are met at `carried`, and missed at `missed`, which is at
// most (1 + tolerance) times as much. Between the two nothing is said; nor that no load beyond is
// carried, should a cluster do better with more.
struct MaxLoad {
  double carried = 0;  // 0: missed at the least load tried, 1/64 of the plan's
  double missed = 0;   // 0: met at the most tried, 64 times the plan's
};

// The plan with one axis a level up or down.
struct Neighbour {
  std::size_t axis = 0, level = 0;
  JobResult result{};
  bool meets_all = false;
  MaxLoad load{};
};

struct PlanResult {
  std::vector<Candidate> candidates;  // in the order of study.points()
  std::optional<std::size_t> best, runner_up;
  std::optional<MaxLoad> load;        // of the best
  std::vector<Neighbour> neighbours;  // of the best
  std::int64_t cut_runs = 0, full_runs = 0;
  std::vector<std::uint64_t> cut_requests;  // of each rung
  int replicates_met = 0;                   // of plan.replicates draws, by the best
};

Expected<PlanResult> search(const Plan& plan, Crew& crew, Workloads& workloads,
                            const std::function<void(double)>& progress);
// Every candidate in full: what search() is held against.
Expected<PlanResult> search_exhaustively(const Plan& plan, Crew& crew);

// Several clusters at a time, each bracketed by doubling or halving and then by bisection.
Expected<std::vector<MaxLoad>> max_loads(const Plan& plan, const std::vector<PointInputs>& clusters,
                                         Crew& crew);

std::string plan_text(const Plan& plan, const PlanResult& result);
// `scsim plan --max-load`: every candidate with the largest load it carries.
std::string max_load_text(const Plan& plan, const std::vector<Point>& points,
                          const std::vector<MaxLoad>& loads);

}  // namespace scsim::analysis
