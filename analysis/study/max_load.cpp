// The largest load that clusters carry: doubled or halved until met and missed, then bisected.
#include <cmath>

#include "analysis/study/plan.h"

namespace scsim::analysis {
namespace {

constexpr double kMostLoad = 64;

// One cluster on its way to its largest load, in units of the plan's.
struct Bracket {
  MaxLoad load;
  bool done = false;

  double next(double tolerance) {
    const auto [met, missed] = load;
    if (met > 0 && missed > 0) {
      done = missed <= met * (1 + tolerance);
      return std::sqrt(met * missed);
    }
    const double tried = met > 0 ? 2 * met : missed > 0 ? missed / 2 : 1;
    done = tried > kMostLoad || tried < 1 / kMostLoad;
    return tried;
  }
};

}  // namespace

Expected<std::vector<MaxLoad>> max_loads(const Plan& plan, const std::vector<PointInputs>& clusters,
                                         Crew& crew) {
  std::vector<Bracket> brackets(clusters.size());
  while (true) {
    std::vector<std::size_t> open;
    std::vector<double> tried(clusters.size());
    for (std::size_t i = 0; i < clusters.size(); ++i) {
      tried[i] = brackets[i].next(plan.tolerance);
      if (!brackets[i].done) open.push_back(i);
    }
    if (open.empty()) break;
    const auto ran = crew.run(
        open.size(),
        [&](std::size_t i) {
          Job job{clusters[open[i]], plan.study.warm_up};
          job.inputs.workload.load *= tried[open[i]];
          return job;
        },
        [&](std::size_t i, const JobResult& result) -> Expected<void> {
          MaxLoad& load = brackets[open[i]].load;
          (plan.meets_all(result) ? load.carried : load.missed) = tried[open[i]];
          return {};
        });
    if (!ran) return ran.error();
  }
  std::vector<MaxLoad> loads;
  for (const Bracket& bracket : brackets) loads.push_back(bracket.load);
  return loads;
}

}  // namespace scsim::analysis
