// The same requests whether they are held in memory or read from a file.
#include "analysis/study/workloads.h"

#include "analysis/study/metrics.h"
#include "tests/analysis/study/small_study.h"

namespace scsim::test {
namespace {

using analysis::Workload;
using analysis::Workloads;

TEST_CASE("points do not depend on the threads, nor on the memory for traces",
          "[analysis][study]") {
  const SmallStudies small;
  const auto study = small.study(
      "replicates: 2\nvary:\n- {key: load, values: [1, 3]}\n- {key: router.policy, values: "
      "[round_robin, prefix_aware]}\n");
  const auto one = run_all(study, 1), three = run_all(study, 3);
  REQUIRE(one.size() == 8);
  analysis::Workloads no_memory(0);
  for (std::size_t i = 0; i < one.size(); ++i) {
    INFO(i);
    CHECK(one[i].error.empty());
    CHECK(same(one[i], three[i]));
    const analysis::Job job{.inputs = *study.inputs(study.points()[i]), .warm_up = study.warm_up};
    CHECK(same(one[i], analysis::run_job(job, no_memory)));
    // ... nor on the process: as rank 0 sends it.
    analysis::Profiles profiles;
    const auto sent = analysis::job_from(analysis::to_bytes(7, job), profiles);
    REQUIRE(sent);
    const auto back =
        analysis::result_from(analysis::to_bytes(7, analysis::run_job(sent->job, no_memory)));
    CHECK(same(one[i], back.result));
  }
}

TEST_CASE("load divides the times of arrivals, and replicates draw other traces",
          "[analysis][study]") {
  const SmallStudies small;
  Workloads workloads(1 << 24);
  const auto requests = [&](const Workload& workload, std::optional<std::uint64_t> most) {
    auto reader = workloads.open(workload, most);
    REQUIRE(reader);
    std::vector<Request> all;
    Request request;
    while (*reader->next(request)) all.push_back(request);
    return all;
  };
  const Workload workload{.trace = small.file("recipe.yaml")};
  const auto plain = requests(workload, {});
  Workload twice = workload;
  twice.load = 2;
  const auto fast = requests(twice, {});
  REQUIRE(plain.size() == 60);
  REQUIRE(fast.size() == 60);
  for (std::size_t i = 0; i < plain.size(); ++i)
    CHECK(std::abs(fast[i].earliest.ns() * 2 - plain[i].earliest.ns()) <= 2);
  CHECK(requests(workload, 7).size() == 7);
  Workload other = workload;
  other.replicate = 1;
  CHECK(requests(other, {})[0].earliest != plain[0].earliest);
}

}  // namespace
}  // namespace scsim::test
