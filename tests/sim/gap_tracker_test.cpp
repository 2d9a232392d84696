#include "sim/gap_tracker.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <map>

#include "tests/sim/written_out.h"

namespace scsim::sim {
namespace {

using test::between;

constexpr std::size_t kGroups = 3;

std::size_t bin_of(double seconds) {
  std::size_t bin = 0;
  double edge = GapHistogram::kShortest * GapHistogram::kRatio;  // where the next bin begins
  while (bin + 1 < GapHistogram::kBins && seconds >= edge) {
    edge *= GapHistogram::kRatio;
    ++bin;
  }
  return bin;
}

// Every gap of every member, one by one. What the head of gap_tracker.h says of a group's steps:
// the first ends at a given time, the others take from `second` to `last` seconds, evenly growing.
class EachGap {
 public:
  EachGap() : by_tenant(kGroups), by_turn(kGroups) {}
  std::vector<GapHistogram> by_tenant, by_turn;

  struct Member {
    std::uint32_t tenant, turn;
    TimePoint last_token;
    bool in_group;
  };
  std::map<int, Member> members;

  void steps(std::int64_t count, TimePoint first_end, double second, double last,
             TimePoint last_end) {
    for (auto& [name, member] : members) {
      if (!member.in_group) continue;
      add(member, (first_end - member.last_token).seconds().value(),
          (first_end - member.last_token).ns());
      for (std::int64_t i = 1; i < count; ++i) {
        const double part =
            count > 2 ? static_cast<double>(i - 1) / static_cast<double>(count - 2) : 0;
        const double seconds = second + (last - second) * part;
        add(member, seconds, std::llround(seconds * 1e9));
      }
      member.last_token = last_end;
    }
  }

 private:
  void add(const Member& member, double seconds, std::int64_t ns) {
    for (GapHistogram* histogram : {&by_tenant[member.tenant], &by_turn[member.turn]}) {
      ++histogram->count[bin_of(seconds)];
      histogram->sum_seconds += seconds;
      histogram->worst_ns = std::max(histogram->worst_ns, ns);
    }
  }
};

TEST_CASE("a gap falls into the bin whose edges hold it, the shortest and longest into the ends",
          "[sim][gap_tracker]") {
  Rng rng(1, "test.gap_bins");
  for (int i = 0; i < 2000; ++i) {
    GapHistogram histogram;
    const auto ns = static_cast<std::int64_t>(std::exp(rng.uniform(std::log(1e3), std::log(1e12))));
    add_gap(histogram, ns);
    CAPTURE(ns);
    REQUIRE(histogram.count[bin_of(static_cast<double>(ns) * 1e-9)] == 1);
    REQUIRE(histogram.worst_ns == ns);
  }
}

TEST_CASE("gaps counted for the whole group are the gaps of its members one by one",
          "[sim][gap_tracker]") {
  for (std::uint64_t trial = 0; trial < 120; ++trial) {
    Rng rng(trial, "test.gap_tracker");
    GapBook book{std::vector<GapHistogram>(kGroups), std::vector<GapHistogram>(kGroups)};
    GapTracker tracker(book);
    EachGap oracle;
    TimePoint now;
    int next_member = 0;
    const auto join = [&](int name, TimePoint last_token) {
      const auto& member = oracle.members[name];
      tracker.join(name, member.tenant, member.turn, last_token);
    };
    CAPTURE(trial);
    for (int round = 0; round < 40; ++round) {
      // Some end, some get no token in the steps to come.
      std::vector<int> stalled;
      for (auto it = oracle.members.begin(); it != oracle.members.end();) {
        REQUIRE(tracker.last_token(it->first) == it->second.last_token);
        if (rng.chance(0.1)) {
          tracker.leave(it->first);
          it = oracle.members.erase(it);
        } else {
          if (rng.chance(0.15)) {
            tracker.leave(it->first);
            it->second.in_group = false;
            stalled.push_back(it->first);
          }
          ++it;
        }
      }
      // The group's steps, perhaps after a pause.
      if (rng.chance(0.3)) now = now + Duration(between(rng, 1, 50'000'000));
      const std::int64_t count = rng.chance(0.4) ? 1 : between(rng, 2, 300);
      const TimePoint first_end = now + Duration(between(rng, 1'000, 40'000'000));
      const double second = std::exp(rng.uniform(std::log(1e-5), std::log(0.05)));
      const double last =
          count > 2 && rng.chance(0.8) ? second * (1 + rng.uniform() * rng.uniform() * 2) : second;
      const double rest = static_cast<double>(count - 1) * (second + last) / 2;
      const TimePoint last_end = first_end + Duration(std::llround(rest * 1e9));
      const bool anybody = std::ranges::any_of(
          oracle.members, [](const auto& member) { return member.second.in_group; });
      if (anybody) {
        tracker.steps(count, first_end, second, last, last_end);
        oracle.steps(count, first_end, second, last, last_end);
      }
      now = last_end;
      for (const int name : stalled) {
        join(name, oracle.members[name].last_token);
        oracle.members[name].in_group = true;
      }
      // Newcomers have just produced a token.
      for (std::uint64_t n = rng.below(3); n > 0; --n) {
        const int name = next_member++ % 50;
        if (oracle.members.contains(name)) continue;
        oracle.members[name] = {static_cast<std::uint32_t>(rng.below(kGroups)),
                                static_cast<std::uint32_t>(rng.below(kGroups)), now, true};
        join(name, now);
      }
    }
    for (const auto& [name, member] : oracle.members) tracker.leave(name);
    const auto compare = [](const GapHistogram& ours, const GapHistogram& expected) {
      REQUIRE(ours.count == expected.count);
      REQUIRE(ours.sum_seconds == Approx(expected.sum_seconds).epsilon(1e-6));
      REQUIRE(std::abs(ours.worst_ns - expected.worst_ns) <= 1);
    };
    for (std::size_t group = 0; group < kGroups; ++group) {
      compare(book.by_tenant[group], oracle.by_tenant[group]);
      compare(book.by_turn[group], oracle.by_turn[group]);
    }
  }
}

// The gaps of a request are what lies between its tokens, so they add up to the time from its first
// token to its last, exactly.
TEST_CASE("a member's gaps add up to the time between its first token and its last",
          "[sim][gap_tracker]") {
  GapBook book{std::vector<GapHistogram>(1), std::vector<GapHistogram>(1)};
  GapTracker tracker(book);
  tracker.join(0, 0, 0, TimePoint(1'000'000));
  tracker.steps(5, TimePoint(3'000'000), 0.001, 0.001, TimePoint(7'000'000));
  tracker.steps(1, TimePoint(20'000'000), 0, 0, TimePoint(20'000'000));
  tracker.leave(0);
  CHECK(book.by_tenant[0].sum_seconds == Approx(0.019).epsilon(1e-12));
  CHECK(book.by_tenant[0].worst_ns == 13'000'000);
}

}  // namespace
}  // namespace scsim::sim
