// The search for a plan: what falls away, in which order, and what is asked of the one that is
// left.
#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "analysis/study/bounds.h"
#include "analysis/study/metrics.h"
#include "analysis/study/plan.h"
#include "traces/proto/cluster.pb.h"
#include "traces/text.h"

namespace scsim::analysis {
namespace {

constexpr std::size_t kGroup = 64;   // candidates of neighbouring cost that are cut together
constexpr std::size_t kBatch = 8;    // full runs between two looks at whether to stop
constexpr double kClearMiss = 0.25;  // of the limit
constexpr std::uint64_t kFewestRequests = 50;  // of a cut that says anything
constexpr double kInfinity = std::numeric_limits<double>::infinity();

bool at_roofline(const proto::ClusterConfig& cluster) {
  return std::ranges::all_of(cluster.pools(), [](const proto::PoolConfig& pool) {
    return pool.cost_model().empty() || pool.cost_model() == "roofline";
  });
}

// The best first: by cost, of equal cost by the least margin, of equal ones by place.
std::vector<std::size_t> ranked(const Plan& plan, const PlanResult& result) {
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < result.candidates.size(); ++i)
    if (result.candidates[i].meets_all) order.push_back(i);
  std::ranges::stable_sort(order, {}, [&](std::size_t i) {
    const JobResult& run = result.candidates[i].result;
    return std::pair(plan.cost(run), -plan.least_margin(run).margin);
  });
  return order;
}

class Search {
 public:
  Search(const Plan& plan, Crew& crew) : plan_(plan), crew_(crew) {
    for (const Point& point : plan.study.points()) found_.candidates.push_back({.point = point});
  }

  Expected<PlanResult> search(Workloads& workloads, const std::function<void(double)>& progress) {
    if (auto done = bound(workloads); !done) return done.error();
    std::vector<std::size_t> open = valid();
    const bool known = std::ranges::all_of(
        open, [&](std::size_t i) { return found_.candidates[i].known_cost.has_value(); });
    if (known)
      std::ranges::stable_sort(open, {},
                               [&](std::size_t i) { return *found_.candidates[i].known_cost; });
    const std::size_t group = known ? kGroup : std::max<std::size_t>(1, open.size());
    for (std::size_t at = 0; at < open.size() && !(known && settled(open[at])); at += group) {
      const auto end = std::min(open.size(), at + group);
      if (auto done = run_group({open.begin() + static_cast<std::ptrdiff_t>(at),
                                 open.begin() + static_cast<std::ptrdiff_t>(end)},
                                known);
          !done)
        return done.error();
      progress(static_cast<double>(end) / static_cast<double>(open.size()));
    }
    return finish();
  }

  Expected<PlanResult> search_all() {
    for (Candidate& candidate : found_.candidates) candidate.fate = Fate::kFull;
    if (auto done = run_full(valid()); !done) return done.error();
    const std::vector<std::size_t> order = ranked(plan_, found_);
    if (!order.empty()) found_.best = order[0];
    if (order.size() > 1) found_.runner_up = order[1];
    return std::move(found_);
  }

 private:
  std::vector<std::size_t> valid() const {
    std::vector<std::size_t> open;
    for (std::size_t i = 0; i < found_.candidates.size(); ++i) {
      const Fate fate = found_.candidates[i].fate;
      if (fate != Fate::kInvalid && fate != Fate::kBound) open.push_back(i);
    }
    return open;
  }

  // Clusters that cannot be, and limits beyond a floor.
  Expected<void> bound(Workloads& workloads) {
    for (Candidate& candidate : found_.candidates) {
      const auto inputs = plan_.study.inputs(candidate.point);
      if (!inputs) return inputs.error();
      const auto cluster = inputs->resolve();
      if (!cluster) {
        candidate.fate = Fate::kInvalid;
        candidate.reason = cluster.error().message;
        continue;
      }
      if (const auto known = known_value(plan_.objective, *cluster); known && !std::isnan(*known))
        candidate.known_cost = plan_.cost(*known);
      if (!facts_.contains(inputs->workload)) {
        auto reader = workloads.open(inputs->workload);
        if (!reader) return reader.error();
        const auto facts = read_facts(*reader);
        if (!facts) return facts.error();
        facts_[inputs->workload] = *facts;
      }
      const TraceFacts& facts = facts_[inputs->workload];
      requests_ = std::max(requests_, facts.requests);
      for (const Constraint& constraint : plan_.constraints) {
        const auto known = known_value(constraint.metric, *cluster);
        const Metric& metric = metric_table()[constraint.metric];
        const auto exclude = [&](const char* how, double value) {
          candidate.fate = Fate::kBound;
          candidate.reason = metric.name + how + metric_text(metric, value);
        };
        if (known && !constraint.met(*known)) exclude(" is ", *known);
        if (!constraint.at_most || inputs->profile || !at_roofline(*inputs->cluster)) continue;
        const double floor = floor_of(constraint.metric, *cluster, facts).value_or(-kInfinity);
        if (!constraint.met(floor)) exclude(" is at least ", floor);
      }
    }
    return {};
  }

  Expected<std::vector<JobResult>> run(const std::vector<std::size_t>& which,
                                       std::optional<std::uint64_t> requests) {
    std::vector<JobResult> results(which.size());
    (requests ? found_.cut_runs : found_.full_runs) += static_cast<std::int64_t>(which.size());
    const auto ran = crew_.run(
        which.size(),
        [&](std::size_t i) {
          return Job{*plan_.study.inputs(found_.candidates[which[i]].point), plan_.study.warm_up,
                     requests};
        },
        [&](std::size_t i, const JobResult& result) -> Expected<void> {
          results[i] = result;
          return {};
        });
    if (!ran) return ran.error();
    return results;
  }

  Expected<void> run_full(const std::vector<std::size_t>& which) {
    auto results = run(which, std::nullopt);
    if (!results) return results.error();
    for (std::size_t i = 0; i < which.size(); ++i) {
      Candidate& candidate = found_.candidates[which[i]];
      candidate.fate = Fate::kFull;
      candidate.result = std::move((*results)[i]);
      candidate.meets_all = plan_.meets_all(candidate.result);
    }
    return {};
  }

  // Two meet all, and this one costs more than either.
  bool settled(std::size_t next) const {
    const std::vector<std::size_t> order = ranked(plan_, found_);
    return order.size() >= 2 &&
           *found_.candidates[next].known_cost > plan_.cost(found_.candidates[order[1]].result);
  }

  Expected<void> run_group(std::vector<std::size_t> group, bool known) {
    for (std::size_t rung = 0; rung < plan_.cuts.size() && !plan_.prove; ++rung) {
      const auto requests =
          static_cast<std::uint64_t>(std::ceil(plan_.cuts[rung] * static_cast<double>(requests_)));
      if (requests < kFewestRequests || requests >= requests_) continue;
      if (std::ranges::find(found_.cut_requests, requests) == found_.cut_requests.end())
        found_.cut_requests.push_back(requests);
      const auto results = run(group, requests);
      if (!results) return results.error();
      drop_worst(*results, group);
    }
    for (std::size_t at = 0; at < group.size(); at += kBatch) {
      if (known && settled(group[at])) return {};
      const auto end = std::min(group.size(), at + kBatch);
      if (auto done = run_full({group.begin() + static_cast<std::ptrdiff_t>(at),
                                group.begin() + static_cast<std::ptrdiff_t>(end)});
          !done)
        return done;
    }
    return {};
  }

  // Of those that miss clearly, the worst go, at most half of the group; the order stays.
  void drop_worst(const std::vector<JobResult>& results, std::vector<std::size_t>& group) {
    std::vector<std::pair<double, std::size_t>> misses;  // margin, place in the group
    for (std::size_t i = 0; i < group.size(); ++i) {
      const double margin = plan_.least_margin(results[i]).margin;
      if (margin < -kClearMiss) misses.emplace_back(margin, i);
    }
    std::ranges::sort(misses);
    if (misses.size() > group.size() / 2) misses.resize(group.size() / 2);
    for (const auto& miss : misses) found_.candidates[group[miss.second]].fate = Fate::kCut;
    std::erase_if(group, [&](std::size_t i) { return found_.candidates[i].fate == Fate::kCut; });
  }

  Expected<PlanResult> finish() {
    const std::vector<std::size_t> order = ranked(plan_, found_);
    if (order.size() > 1) found_.runner_up = order[1];
    if (order.empty()) return std::move(found_);
    found_.best = order[0];
    const Point best = found_.candidates[order[0]].point;
    std::vector<PointInputs> clusters = {*plan_.study.inputs(best)};
    std::vector<Point> around;
    for (std::size_t a = 0; a < plan_.study.axes.size(); ++a) {
      for (const bool up : {false, true}) {
        Point point = best;
        if (up ? point.levels[a] + 1 == plan_.study.axes[a].levels.size() : point.levels[a] == 0)
          continue;
        point.levels[a] += up ? 1 : static_cast<std::size_t>(-1);
        const auto inputs = plan_.study.inputs(point);
        if (!inputs) return inputs.error();
        found_.neighbours.push_back({.axis = a, .level = point.levels[a]});
        around.push_back(point);
        clusters.push_back(*inputs);
      }
    }
    std::vector<Point> wanted = around;
    for (int r = 1; r < plan_.replicates; ++r) wanted.push_back({best.levels, r});
    std::vector<JobResult> results(wanted.size());
    const auto ran = crew_.run(
        wanted.size(),
        [&](std::size_t i) {
          return Job{*plan_.study.inputs(wanted[i]), plan_.study.warm_up};
        },
        [&](std::size_t i, const JobResult& result) -> Expected<void> {
          results[i] = result;
          return {};
        });
    if (!ran) return ran.error();
    const auto loads = max_loads(plan_, clusters, crew_);
    if (!loads) return loads.error();
    found_.load = (*loads)[0];
    for (std::size_t n = 0; n < found_.neighbours.size(); ++n) {
      found_.neighbours[n].result = results[n];
      found_.neighbours[n].meets_all = plan_.meets_all(results[n]);
      found_.neighbours[n].load = (*loads)[n + 1];
    }
    found_.replicates_met = 1;  // the search's own
    for (std::size_t i = around.size(); i < results.size(); ++i)
      found_.replicates_met += plan_.meets_all(results[i]) ? 1 : 0;
    return std::move(found_);
  }

  const Plan& plan_;
  Crew& crew_;
  PlanResult found_;
  std::map<Workload, TraceFacts> facts_;
  std::uint64_t requests_ = 0;  // of the longest trace
};

}  // namespace

Expected<PlanResult> search(const Plan& plan, Crew& crew, Workloads& workloads,
                            const std::function<void(double)>& progress) {
  return Search(plan, crew).search(workloads, progress);
}

Expected<PlanResult> search_exhaustively(const Plan& plan, Crew& crew) {
  return Search(plan, crew).search_all();
}

}  // namespace scsim::analysis
