#include "sim/event_queue.h"

#include <catch2/catch.hpp>
#include <map>
#include <tuple>
#include <vector>

#include "tests/support/aborts.h"
#include "traces/rng.h"

namespace scsim::sim {
namespace {

constexpr Phase kPhases[] = {Phase::kCompletion, Phase::kArrival, Phase::kDispatch,
                             Phase::kObservation};

TEST_CASE("events of one instant come in the order of their phases, whatever was scheduled first",
          "[sim][event_queue]") {
  EventQueue<Phase> queue;
  for (const Phase phase :
       {Phase::kObservation, Phase::kDispatch, Phase::kCompletion, Phase::kArrival})
    queue.schedule_at(TimePoint(7), phase, phase);
  for (const Phase phase : kPhases) {
    const auto entry = queue.pop();
    CHECK(entry.when == TimePoint(7));
    CHECK(entry.event == phase);
  }
  CHECK(queue.empty());
}

TEST_CASE("events of one phase come in the order they were scheduled", "[sim][event_queue]") {
  EventQueue<int> queue;
  for (int i = 0; i < 100; ++i) queue.schedule_at(TimePoint(3), Phase::kArrival, i);
  for (int i = 0; i < 100; ++i) CHECK(queue.pop().event == i);
}

TEST_CASE("ranked events come in the order of their ranks, whatever was scheduled first",
          "[sim][event_queue]") {
  EventQueue<int> queue;
  for (const int rank : {5, 1, 4, 0, 2, 3})
    queue.schedule_ordered(TimePoint(3), Phase::kArrival, static_cast<std::uint64_t>(rank), rank);
  for (int rank = 0; rank < 6; ++rank) CHECK(queue.pop().event == rank);
}

TEST_CASE("a delay counts from now, which is the time of the last event taken",
          "[sim][event_queue]") {
  EventQueue<int> queue;
  queue.schedule_at(TimePoint(10), Phase::kArrival, 1);
  CHECK(queue.now() == TimePoint(0));
  CHECK(queue.next_time() == TimePoint(10));
  queue.pop();
  queue.schedule_in(Duration(5), Phase::kCompletion, 2);
  CHECK(queue.now() == TimePoint(10));
  CHECK(queue.next_time() == TimePoint(15));
  CHECK(queue.size() == 1);
  CHECK(queue.popped() == 1);
}

// A multimap keeps equal keys in the order of insertion, so it is the queue's specification.
TEST_CASE("random schedules come out as a multimap by time and phase gives them",
          "[sim][event_queue]") {
  for (std::uint64_t trial = 0; trial < 50; ++trial) {
    Rng rng(trial, "test.event_queue");
    EventQueue<int> queue;
    std::multimap<std::pair<std::int64_t, Phase>, int> oracle;
    TimePoint now;
    Phase phase = Phase::kCompletion;
    CAPTURE(trial);
    for (int i = 0; i < 600; ++i) {
      const bool take = !oracle.empty() && rng.chance(i < 400 ? 0.4 : 0.9);
      if (!take) {
        const auto delay = static_cast<std::int64_t>(rng.below(4));
        Phase at = kPhases[rng.below(4)];
        if (delay == 0 && at < phase) at = phase;
        queue.schedule_at(now + Duration(delay), at, i);
        oracle.insert({{now.ns() + delay, at}, i});
        continue;
      }
      const auto entry = queue.pop();
      const auto first = oracle.begin();
      REQUIRE(entry.event == first->second);
      REQUIRE(entry.when.ns() == first->first.first);
      now = entry.when;
      phase = first->first.second;
      oracle.erase(first);
      REQUIRE(queue.size() == oracle.size());
    }
  }
}

TEST_CASE("scheduling before now, or into a phase of this instant that is over, ends the run",
          "[sim][event_queue]") {  // INV-CAUSAL
  EventQueue<int> queue;
  queue.schedule_at(TimePoint(10), Phase::kArrival, 1);
  queue.pop();
  CHECK(test::aborts([&] { queue.schedule_at(TimePoint(9), Phase::kObservation, 2); }));
  CHECK(test::aborts([&] { queue.schedule_at(TimePoint(10), Phase::kCompletion, 2); }));
  CHECK(test::aborts([&] { queue.schedule_ordered(TimePoint(9), Phase::kArrival, 0, 2); }));
  CHECK_FALSE(test::aborts([&] { queue.schedule_at(TimePoint(10), Phase::kArrival, 2); }));
  CHECK_FALSE(test::aborts([&] { queue.schedule_at(TimePoint(11), Phase::kCompletion, 2); }));
}

TEST_CASE("taking from an empty queue ends the run", "[sim][event_queue]") {
  EventQueue<int> queue;
  CHECK(test::aborts([&] { queue.pop(); }));
}

}  // namespace
}  // namespace scsim::sim
