// A plan is what running every candidate in full finds; bounds never exclude what a run accepts.
#include "analysis/study/plan.h"

#include <cmath>

#include "analysis/study/bounds.h"
#include "analysis/study/metrics.h"
#include "tests/analysis/study/small_study.h"
#include "traces/proto/cluster.pb.h"
#include "traces/rng.h"

namespace scsim::test {
namespace {

using namespace analysis;

class Planner {
 public:
  // `text` below "trace: recipe.yaml"; requests with 900 tokens, 20 a second.
  explicit Planner(const std::string& text) {
    overwrite(small_.file("recipe.yaml"),
              "requests: 600\nduration: 0 s\narrivals: {rate: 20}\nplain: {prompt: {mean: 900}}\n");
    overwrite(small_.file("p.yaml"), "trace: recipe.yaml\n" + text);
    auto read = read_plan(small_.file("p.yaml"), {});
    if (!read) FAIL(read.error().message);
    plan = *std::move(read);
  }
  PlanResult found(int threads = 2) {
    Crew crew(alone_, threads, workloads_);
    auto result = search(plan, crew, workloads_, [](double) {});
    REQUIRE(result);
    return *std::move(result);
  }
  PlanResult exhaustive() {
    Crew crew(alone_, 2, workloads_);
    auto result = search_exhaustively(plan, crew);
    REQUIRE(result);
    return *std::move(result);
  }
  Crew crew() { return {alone_, 2, workloads_}; }
  Workloads& workloads() { return workloads_; }

  Plan plan;

 private:
  SmallStudies small_;
  Ranks alone_;
  Workloads workloads_{std::uint64_t{1} << 26};
};

// 72 candidates: some cannot be, some miss a floor, some are too few GPUs.
const std::string kSearch = R"(set: ["pools[0].price_per_gpu_hour=2"]
load: 4
search:
- name: gpu
  cases:
  - {name: h200, set: ["pools[0].gpu=h200", "pools[0].price_per_gpu_hour=4"]}
  - {name: h100, set: ["pools[0].gpu=h100", "pools[0].price_per_gpu_hour=2.5"]}
  - {name: l40s, set: ["pools[0].gpu=l40s", "pools[0].price_per_gpu_hour=1"]}
- {key: "pools[0].gpus", values: [1, 2, 3, 4]}
- {key: "pools[0].tensor_parallel", values: [1, 2]}
- {key: "pools[0].engine.max_sequences", values: [8, 32, 128]}
)";

std::string requires_text(double ttft, double tpot, double share) {
  return "require:\n- {metric: ttft_p99_s, at_most: " + std::to_string(ttft) +
         " s}\n- {metric: tpot_p90_s, at_most: " + std::to_string(tpot) +
         " s}\n- {metric: slo_share, at_least: " + std::to_string(share) + "}\n";
}

TEST_CASE("a plan for the least energy knows of energy without being told", "[analysis][plan]") {
  Planner planner(kSearch + requires_text(5, 1, 0.1) +
                  "objective: joules_per_request\nprove: true\n");
  const PlanResult found = planner.found(), all = planner.exhaustive();
  REQUIRE(found.best);
  REQUIRE(all.best);
  const double least = planner.plan.cost(all.candidates[*all.best].result);
  CHECK(least > 0);
  CHECK(planner.plan.cost(found.candidates[*found.best].result) == least);
  for (const Candidate& candidate : all.candidates)
    if (candidate.meets_all) CHECK(planner.plan.cost(candidate.result) >= least);
}

TEST_CASE("the plan is the one that exhaustive search finds", "[analysis][plan]") {
  Rng rng(3, "plans");
  int with_plan = 0, pruned = 0, as_good = 0;
  for (int round = 0; round < 8; ++round) {
    const std::string limits =
        requires_text(rng.uniform(0.05, 1), rng.uniform(0.006, 0.04), rng.uniform(0.5, 0.99));
    const std::string objective = round % 2 == 0 ? "" : "objective: usd_per_1000_requests\n";
    INFO(limits << objective);
    Planner planner(kSearch + limits + objective + "prove: true\n");
    const PlanResult found = planner.found(), all = planner.exhaustive();
    CHECK(found.best == all.best);
    CHECK(found.runner_up == all.runner_up);
    with_plan += found.best ? 1 : 0;
    // Cuts may lose the best one, never make one of what a full run rejects.
    planner.plan.prove = false;
    const PlanResult cut = planner.found();
    if (cut.best) CHECK(all.candidates[*cut.best].meets_all);
    as_good += cut.best == all.best ? 1 : 0;
    // Each that fell away in closed form fell away rightly.
    for (std::size_t i = 0; i < found.candidates.size(); ++i) {
      const Fate fate = found.candidates[i].fate;
      if (fate != Fate::kInvalid && fate != Fate::kBound) continue;
      ++pruned;
      CHECK(!all.candidates[i].meets_all);
    }
  }
  CHECK(with_plan >= 3);
  CHECK(as_good >= 7);
  CHECK(pruned > 50);
}

TEST_CASE("without proof the cut is evidence, and the report says of how many",
          "[analysis][plan]") {
  Planner planner(kSearch + requires_text(0.5, 0.03, 0.9));
  const PlanResult found = planner.found(), all = planner.exhaustive();
  CHECK(found.best == all.best);
  CHECK(found.full_runs < all.full_runs / 2);
  CHECK_THAT(plan_text(planner.plan, found),
             Catch::Contains("binding") && Catch::Contains("Runner-up") &&
                 Catch::Contains("Load") && Catch::Contains("Sure") &&
                 Catch::Contains("72 candidates") && Catch::Contains("uncalibrated"));
}

TEST_CASE("what is run and found does not depend on the threads", "[analysis][plan]") {
  Planner planner(kSearch + requires_text(0.5, 0.03, 0.9));
  CHECK(plan_text(planner.plan, planner.found(1)) == plan_text(planner.plan, planner.found(3)));
}

TEST_CASE("no run is below a floor, and known values are what runs say", "[analysis][plan]") {
  Planner planner(kSearch + requires_text(1, 1, 0.1));
  const Study& study = planner.plan.study;
  const PlanResult all = planner.exhaustive();
  auto reader = planner.workloads().open(study.inputs(study.points()[0])->workload);
  const TraceFacts facts = *read_facts(*reader);
  CHECK(facts.requests == 600);
  int floors = 0;
  for (const Candidate& candidate : all.candidates) {
    if (candidate.result.metrics.empty()) continue;
    const auto cluster = study.inputs(candidate.point)->resolve();
    for (std::size_t m = 0; m < metric_table().size(); ++m) {
      INFO(metric_table()[m].name << " " << study.name_of(candidate.point));
      const double value = candidate.result.metrics[m];
      const auto floor = floor_of(m, *cluster, facts);
      const auto known = known_value(m, *cluster);
      if (floor) CHECK(value >= *floor);
      if (known) CHECK(value == *known);
      floors += floor ? 1 : 0;
    }
  }
  CHECK(floors > 500);
}

TEST_CASE("the floor of an idle cluster is nearly reached", "[analysis][plan]") {
  // One request at a time, one token in and two out: its steps are the floor's.
  Planner planner(
      "require: [{metric: ttft_p99_s, at_most: 1 s}]\nload: 0.01\n"
      "set: [\"pools[0].engine.prefix_caching=false\"]\n");
  const Study& study = planner.plan.study;
  auto reader = planner.workloads().open(study.inputs(study.points()[0])->workload);
  const TraceFacts facts = *read_facts(*reader);
  const auto cluster = study.inputs(study.points()[0])->resolve();
  const double tpot = planner.exhaustive().candidates[0].result.metrics[*find_metric("tpot_p50_s")];
  const double floor = *floor_of(*find_metric("tpot_p50_s"), *cluster, facts);
  CHECK(tpot >= floor);
  CHECK(tpot < 1.1 * floor);
}

TEST_CASE("the largest load is bracketed to the tolerance", "[analysis][plan]") {
  Planner planner(
      "require: [{metric: ttft_p99_s, at_most: 0.2 s}]\ntolerance: 5 %\n"
      "search: [{key: \"pools[0].gpus\", values: [1, 2]}]\n");
  std::vector<PointInputs> clusters;
  for (const Point& point : planner.plan.study.points())
    clusters.push_back(*planner.plan.study.inputs(point));
  Crew crew = planner.crew();
  const auto loads = max_loads(planner.plan, clusters, crew);
  REQUIRE(loads);
  for (std::size_t i = 0; i < clusters.size(); ++i) {
    const MaxLoad load = (*loads)[i];
    REQUIRE(load.carried > 0);
    REQUIRE(load.missed > 0);
    CHECK(load.missed <= 1.05 * load.carried);
    for (const auto& [times, met] :
         {std::pair(load.carried, true), std::pair(load.missed, false)}) {
      Job job{clusters[i], planner.plan.study.warm_up};
      job.inputs.workload.load *= times;
      CHECK(planner.plan.meets_all(run_job(job, planner.workloads())) == met);
    }
  }
  CHECK((*loads)[1].carried > 1.5 * (*loads)[0].carried);
}

TEST_CASE("margins are parts of the limit, and what is not known is missed", "[analysis][plan]") {
  Constraint most{.metric = 0, .at_most = 2.0}, least{.metric = 0, .at_least = 0.5};
  CHECK(most.margin(1.5) == Approx(0.25));
  CHECK(least.margin(0.4) == Approx(-0.2));
  CHECK(!most.met(std::nan("")));
  CHECK(most.met(2));
}

TEST_CASE("a mistyped plan says where", "[analysis][plan]") {
  const SmallStudies small;
  const auto says = [&](const std::string& text, const std::string& message) {
    overwrite(small.file("p.yaml"), "trace: recipe.yaml\n" + text);
    const auto plan = read_plan(small.file("p.yaml"), {});
    REQUIRE(!plan);
    CHECK_THAT(plan.error().message, Catch::Contains(message));
  };
  says("", "require: this key is required");
  says("require: [{metric: ttft_p99, at_most: 1 s}]\n", "did you mean \"ttft_p99_s\"?");
  says("require: [{metric: ttft_p99_s}]\n", "either at_most or at_least");
  says("require: [{metric: ttft_p99_s, at_most: 1 furlong}]\n", "at_most");
  says("require: [{metric: gpus, at_most: 4}]\nobjective: requests\n", "neither less nor more");
  says("require: [{metric: gpus, at_most: 4}]\nserach: []\n", "did you mean \"search\"?");
}

}  // namespace
}  // namespace scsim::test
