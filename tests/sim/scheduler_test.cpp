// Steps taken many at once against steps taken one by one, and both against the slow scheduler;
// without loads and with them.
#include "sim/scheduler.h"

#include <catch2/catch.hpp>
#include <set>

#include "tests/sim/scheduler_run.h"

namespace scsim::sim {
namespace {

using test::RandomScheduling;
using test::SchedulerRun;
using test::StepRecord;

void require_same(const SchedulerRun& ours, const SchedulerRun& expected) {
  for (const auto& [number, wanted] : expected.steps) {
    const auto found = ours.steps.find(number);
    CAPTURE(number, test::describe(wanted));
    REQUIRE(found != ours.steps.end());
    StepRecord record = found->second;
    CAPTURE(test::describe(record));
    if (record.free_blocks == test::kUnseen) record.free_blocks = wanted.free_blocks;
    REQUIRE(record == wanted);
  }
  REQUIRE(ours.steps.size() == expected.steps.size());
}

TEST_CASE("steps taken many at once decide what they decide one at a time", "[sim][scheduler]") {
  std::size_t steps = 0;
  std::int64_t preemptions = 0;
  for (std::uint64_t trial = 0; trial < 1500; ++trial) {
    Rng rng(trial, "test.scheduler");
    const RandomScheduling scheduling = test::random_scheduling(rng);
    CAPTURE(trial, scheduling.describe());
    const SchedulerRun slow = test::run_scheduler(scheduling, false);
    require_same(test::run_scheduler(scheduling, true), slow);
    if (scheduling.knobs.reserve_output == 1)
      REQUIRE(slow.preemptions == 0);  // room for every answer was kept
    steps += slow.steps.size();
    preemptions += slow.preemptions;
  }
  CHECK(steps > 80'000);  // the trials do decode, and do run out of blocks
  CHECK(preemptions > 1'000);
}

TEST_CASE("the scheduler decides what visiting every request and every block decides",
          "[sim][scheduler]") {
  std::int64_t preemptions = 0;
  for (std::uint64_t trial = 0; trial < 600; ++trial) {
    Rng rng(trial, "test.scheduler.oracle");
    RandomScheduling scheduling = test::random_scheduling(rng);
    // Whether a duplicate is given back before or after others take their blocks in the same step
    // is open; it decides nothing while there are plenty.
    if (scheduling.knobs.share_duplicates) scheduling.num_blocks += 10'000;
    CAPTURE(trial, scheduling.describe());
    const SchedulerRun expected = test::run_oracle(scheduling);
    require_same(test::run_scheduler(scheduling, false), expected);
    preemptions += expected.preemptions;
  }
  CHECK(preemptions > 300);
}

// Two requests of one priority that arrived together may preempt each other for ever.
bool may_never_end(const RandomScheduling& scheduling) {
  std::set<std::pair<std::int32_t, std::int64_t>> keys;
  for (const test::RandomRequest& request : scheduling.requests)
    keys.emplace(request.priority, request.arrival_step);
  return scheduling.knobs.order == EngineKnobs::Order::kPriority &&
         keys.size() < scheduling.requests.size();
}

TEST_CASE("whatever is loaded, when and how much of it, every request ends; many steps at once",
          "[sim][scheduler][loads]") {
  std::int64_t loads = 0, abandoned = 0, preemptions = 0, ended = 0;
  for (std::uint64_t trial = 0; trial < 1500; ++trial) {
    Rng rng(trial, "test.scheduler.loads");
    RandomScheduling scheduling = test::random_scheduling(rng);
    test::add_random_loads(rng, scheduling);
    CAPTURE(trial, scheduling.describe());
    const SchedulerRun slow = test::run_scheduler(scheduling, false);
    require_same(test::run_scheduler(scheduling, true), slow);
    if (!may_never_end(scheduling)) REQUIRE(slow.ended);
    if (scheduling.knobs.reserve_output == 1)
      REQUIRE(slow.preemptions == 0);  // room for every answer was kept
    loads += slow.loads;
    abandoned += slow.abandoned;
    preemptions += slow.preemptions;
    ended += slow.ended;
  }
  CHECK(loads > 10'000);
  CHECK(abandoned > 100);
  CHECK(preemptions > 1'000);
  CHECK(ended > 1'400);
}

TEST_CASE("what is loaded decides what it decides for the scheduler that visits every block",
          "[sim][scheduler][loads]") {
  std::int64_t loads = 0, abandoned = 0, preemptions = 0;
  for (std::uint64_t trial = 0; trial < 800; ++trial) {
    Rng rng(trial, "test.scheduler.loads.oracle");
    RandomScheduling scheduling = test::random_scheduling(rng);
    test::add_random_loads(rng, scheduling);
    if (scheduling.knobs.share_duplicates) scheduling.num_blocks += 10'000;
    CAPTURE(trial, scheduling.describe());
    const SchedulerRun expected = test::run_oracle(scheduling);
    require_same(test::run_scheduler(scheduling, false), expected);
    loads += expected.loads;
    abandoned += expected.abandoned;
    preemptions += expected.preemptions;
  }
  CHECK(loads > 5'000);
  CHECK(abandoned > 50);
  CHECK(preemptions > 300);
}

}  // namespace
}  // namespace scsim::sim
