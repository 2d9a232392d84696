// What a study varies, what its points share, and what is wrong with a mistyped one.
#include "analysis/study/design.h"

#include "tests/analysis/study/small_study.h"
#include "traces/proto/cluster.pb.h"

namespace scsim::test {
namespace {

using analysis::Point;

TEST_CASE("the points are all combinations, the last axis and then replicates fastest",
          "[analysis][study]") {
  const SmallStudies small;
  const auto study = small.study(
      "replicates: 2\nvary:\n- {key: load, values: [1, 2]}\n- {key: \"pools[0].gpus\", values: [1, "
      "2, 3]}\n");
  const std::vector<Point> points = study.points();
  REQUIRE(points.size() == 12);
  for (std::size_t i = 0; i < points.size(); ++i)
    CHECK((points[i] == Point{{i / 6, i / 2 % 3}, static_cast<int>(i % 2)}));
  const auto inputs = study.inputs(points[9]);
  CHECK(inputs->workload.load == 2);
  CHECK(inputs->cluster->pools(0).gpus() == 2);
  CHECK(study.name_of(points[9]) == "load=2, pools[0].gpus=2");
}

TEST_CASE("a replicate has the same seed at every point, another than its fellows",
          "[analysis][study]") {
  const SmallStudies small;
  const auto study =
      small.study("replicates: 3\nseed: 7\nvary: [{key: \"pools[0].gpus\", values: [1, 2]}]\n");
  for (const Point& point : study.points()) {
    const auto inputs = study.inputs(point);
    CHECK(inputs->cluster->seed() == 7 + static_cast<std::uint64_t>(point.replicate));
    CHECK(*inputs->workload.seed + static_cast<std::uint64_t>(inputs->workload.replicate) ==
          inputs->cluster->seed());
  }
}

TEST_CASE("an entry of a list is meant by name, and cases set several keys", "[analysis][study]") {
  const SmallStudies small;
  const auto study = small.study(R"(set: ["store.tiers=[{medium: dram, capacity: 1 GiB}]"]
vary:
- {key: "store.tiers[dram].capacity", values: [1 GiB, 2 GiB]}
- name: size
  cases:
  - {name: small, set: ["pools[0].gpus=1", "load=0.5"]}
  - {name: large, set: ["pools[0].gpus=2"]}
)");
  const auto points = study.points();
  CHECK(study.inputs(points[2])->cluster->store().tiers(0).capacity() == std::uint64_t{2} << 30);
  CHECK(study.inputs(points[0])->workload.load == 0.5);
  CHECK(study.inputs(points[1])->workload.load == 1);
  CHECK(study.inputs(points[1])->cluster->pools(0).gpus() == 2);
}

TEST_CASE("a mistyped study says where, what, and the nearest name", "[analysis][study]") {
  const SmallStudies small;
  const auto says = [&](const std::string& text, const std::string& message) {
    CHECK_THAT(small.error(text), Catch::Contains(message));
  };
  says("replicats: 2\n", "s.yaml:2: replicats: unknown key; did you mean \"replicates\"?");
  says("vary: [{key: \"pools[0].gpsu\", values: [1]}]\n",
       "vary: pools[0].gpsu: pools[0].gpsu: unknown key; did you mean \"gpus\"?");
  says("vary: [{key: \"pools[0].gpus\", values: [two]}]\n", "pools[0].gpus");
  says("vary: [{key: \"store.tiers[dram].capacity\", values: [1 GiB]}]\n", "the list is empty");
  says(
      "set: [\"store.tiers=[{medium: dram, capacity: 1 GiB}]\"]\n"
      "vary: [{key: \"store.tiers[drma].capacity\", values: [1 GiB]}]\n",
      "did you mean \"dram\"?");
  says("vary: [{key: lood, values: [1]}]\n", "unknown key");
  says("vary: [{key: load, values: [fast]}]\n", "load");
  says("vary: [{key: load, values: [1, 1]}]\n", "1 is there twice");
  says("vary: [{key: load}]\n", "vary[0].values");
  says("vary: [{values: [1]}]\n", "vary[0]");
  says("vary: [{cases: [{name: a}]}]\n", "need a name");
  says("show: [ttft_p98_s]\n", "did you mean \"ttft_p9");
  says("pareto: [gpus]\n", "expected two metrics");
  says("vary: [{name: gpus, key: \"pools[0].gpus\", values: [1]}]\n", "has the name gpus already");
  says("vary: [{key: router.policy, values: [round_robin, prefix_awre]}]\n",
       "router.policy = prefix_awre: no point with it has a valid cluster");
}

TEST_CASE("a combination without a valid cluster is a point with an error, not the study's",
          "[analysis][study]") {
  const SmallStudies small;
  const auto study = small.study(
      "vary:\n- {key: \"pools[0].gpus\", values: [1, 2]}\n- {key: \"pools[0].tensor_parallel\", "
      "values: [1, 2]}\n");
  const auto results = run_all(study, 1);
  CHECK(results[0].error.empty());
  CHECK_THAT(results[1].error, Catch::Contains("not a multiple of tensor_parallel"));
  CHECK(results[1].metrics.empty());
  CHECK(results[3].error.empty());
}

}  // namespace
}  // namespace scsim::test
