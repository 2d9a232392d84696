#include "exec/show/statistics.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <vector>

#include "tests/support/aborts.h"

namespace scsim::exec {
namespace {

constexpr int kRounds = 2000;

std::vector<SessionSum> bernoulli(int n, double p, Rng& rng) {
  std::vector<SessionSum> sessions;
  for (int i = 0; i < n; ++i) sessions.push_back({rng.chance(p) ? 1.0 : 0.0, 1, 1});
  return sessions;
}

double width(const Mean& mean) { return mean.interval->high - mean.interval->low; }

}  // namespace

// The coverage of Wilson's interval swings around 95 % with n and p (Brown, Cai, DasGupta 2001);
// 2,000 rounds see it to within 1 %.
TEST_CASE("the interval of a score holds the true mean about 95 times in 100", "[exec][show]") {
  Rng rng(1, "tests.statistics.wilson");
  for (const int n : {5, 12, 40}) {
    for (const double p : {0.1, 0.3, 0.5, 0.9}) {
      INFO("n " << n << " p " << p);
      int held = 0;
      for (int round = 0; round < kRounds; ++round)
        held += bounded_mean(bernoulli(n, p, rng)).interval->holds(p) ? 1 : 0;
      CHECK(held > 0.90 * kRounds);
      CHECK(held < 0.995 * kRounds);
    }
  }
}

// The formula by its definition: the p0 at which the score test just rejects,
// |p - p0| = z sqrt(p0 (1 - p0) / n).
TEST_CASE("the ends of Wilson's interval are where the score test turns", "[exec][show]") {
  for (const double n : {1.0, 3.0, 5.0, 50.0}) {
    for (double p = 0; p <= 1; p += 0.125) {
      const Interval interval = wilson(p, n);
      for (const double end : {interval.low, interval.high}) {
        if (end < 1e-12 || end > 1 - 1e-12) continue;
        CHECK(std::abs(p - end) == Approx(1.959964 * std::sqrt(end * (1 - end) / n)));
      }
      CHECK(interval.holds(p));
      CHECK(interval.low >= 0);
      CHECK(interval.high <= 1);
    }
  }
}

TEST_CASE("five right of five, one of one, and none are not certain", "[exec][show]") {
  const std::vector<SessionSum> right(5, {1, 1, 1});
  const Mean all = bounded_mean(right);
  CHECK(all.value == 1);
  CHECK(all.interval->low == Approx(0.5655).epsilon(1e-3));
  CHECK(all.interval->high == 1);
  const Mean one = bounded_mean(std::span(right).first(1));
  CHECK(one.interval->low == Approx(0.2065).epsilon(1e-3));
  CHECK(one.sessions == 1);
  CHECK_FALSE(bounded_mean({}).interval);
  CHECK(bounded_mean({}).sessions == 0);
}

TEST_CASE("turns of one session count as one observation", "[exec][show]") {
  // Ten turns each, all alike within a session: no more is known than from one turn each.
  std::vector<SessionSum> once, ten_times;
  for (const double score : {1.0, 0.0, 1.0, 1.0}) {
    once.push_back({score, 1, 1});
    ten_times.push_back({10 * score, 10, 10});
  }
  CHECK(bounded_mean(ten_times).value == bounded_mean(once).value);
  CHECK(bounded_mean(ten_times).interval->low == bounded_mean(once).interval->low);
  CHECK(bounded_mean(ten_times).samples == 40);
}

// With equal weights the ratio is a mean, whose Student interval covers exactly 95 % for normal
// values, at every n.
TEST_CASE("the interval of a ratio holds the true one about 95 times in 100", "[exec][show]") {
  Rng rng(2, "tests.statistics.ratio");
  for (const int n : {2, 5, 11, 12, 30}) {
    INFO("n " << n);
    int held = 0;
    for (int round = 0; round < kRounds; ++round) {
      std::vector<SessionSum> sessions;
      for (int i = 0; i < n; ++i) sessions.push_back({3 + rng.normal(), 1, 1});
      held += ratio_mean(sessions).interval->holds(3) ? 1 : 0;
    }
    CHECK(held > 0.93 * kRounds);
    CHECK(held < 0.97 * kRounds);
  }
  // Weights that differ: sums of w tokens at 2 nats each, with noise.
  int held = 0;
  for (int round = 0; round < kRounds; ++round) {
    std::vector<SessionSum> sessions;
    for (int i = 0; i < 15; ++i) {
      const double weight = 1 + static_cast<double>(rng.below(20));
      sessions.push_back({2 * weight + std::sqrt(weight) * rng.normal(), weight, 1});
    }
    held += ratio_mean(sessions).interval->holds(2) ? 1 : 0;
  }
  CHECK(held > 0.91 * kRounds);
  CHECK(held < 0.985 * kRounds);
}

TEST_CASE("one session has a ratio and no interval", "[exec][show]") {
  const std::vector<SessionSum> one = {{6, 3, 2}};
  CHECK(ratio_mean(one).value == 2);
  CHECK_FALSE(ratio_mean(one).interval);
  const std::vector<SessionSum> alike(4, {6, 3, 2});
  CHECK(width(ratio_mean(alike)) == Approx(0).margin(1e-12));  // of seconds, equal means equal
  CHECK_FALSE(ratio_mean({}).interval);
}

// Two methods on the same sessions, right with p and q, and alike in a share of the sessions.
TEST_CASE("the interval of a paired difference holds the true one about 95 times in 100",
          "[exec][show]") {
  Rng rng(3, "tests.statistics.paired");
  for (const int n : {8, 20, 40}) {
    for (const double shared : {0.0, 0.7}) {
      INFO("n " << n << " shared " << shared);
      int held = 0;
      for (int round = 0; round < kRounds / 4; ++round) {
        std::vector<double> differences;
        for (int i = 0; i < n; ++i) {
          const double a = rng.chance(0.7) ? 1 : 0;
          const double b = rng.chance(shared) ? a : rng.chance(0.4) ? 1 : 0;
          differences.push_back(b - a);
        }
        const double truth = (1 - shared) * (0.4 - 0.7);
        const Rng draws(static_cast<std::uint64_t>(round), "tests.statistics.draws");
        held += paired_difference(differences, 1, draws).interval->holds(truth) ? 1 : 0;
      }
      CHECK(held > 0.91 * kRounds / 4);
    }
  }
}

TEST_CASE("pairing sessions that resemble each other narrows the interval", "[exec][show]") {
  Rng rng(4, "tests.statistics.pairing");
  int narrower = 0;
  constexpr int kTrials = 100;
  for (int trial = 0; trial < kTrials; ++trial) {
    std::vector<double> a, b, paired, shuffled;
    for (int i = 0; i < 40; ++i) {  // hard sessions are hard for both
      a.push_back(rng.chance(0.5) ? 1 : 0);
      b.push_back(rng.chance(0.9) ? a.back() : 1 - a.back());
      paired.push_back(b.back() - a.back());
    }
    for (std::size_t i = b.size(); i > 1; --i) std::swap(b[i - 1], b[rng.below(i)]);
    for (std::size_t i = 0; i < b.size(); ++i) shuffled.push_back(b[i] - a[i]);
    const Rng draws(static_cast<std::uint64_t>(trial), "tests.statistics.draws");
    narrower +=
        width(paired_difference(paired, 1, draws)) < width(paired_difference(shuffled, 1, draws));
  }
  CHECK(narrower > 95);
}

TEST_CASE("pairs that are all equal do not prove methods the same", "[exec][show]") {
  const Rng rng(5, "tests.statistics.equal");
  double before = 3;
  for (const std::size_t n : {1, 5, 20, 100}) {
    const std::vector<double> equal(n, 0.0);
    const Mean mean = paired_difference(equal, 1, rng);
    INFO("n " << n);
    CHECK(mean.value == 0);
    CHECK(mean.interval->low < 0);
    CHECK(mean.interval->high > 0);
    CHECK(width(mean) < before);  // more of them prove more
    before = width(mean);
  }
  const std::vector<double> lost(4, -1.0);
  const Mean all_lost = paired_difference(lost, 1, rng);
  CHECK(all_lost.value == -1);
  CHECK(all_lost.interval->holds(-1));
  CHECK(all_lost.interval->high > -1);
  CHECK_FALSE(paired_difference({}, 1, rng).interval);
}

TEST_CASE("the same sessions and seed give the same interval", "[exec][show]") {
  const std::vector<double> differences = {0, 1, -1, 0, 0.5};
  const Mean a = paired_difference(differences, 1, Rng(6, "x"));
  const Mean b = paired_difference(differences, 1, Rng(6, "x"));
  CHECK(a.interval->low == b.interval->low);
  CHECK(a.interval->high == b.interval->high);
}

TEST_CASE("a spread has mean, median and least", "[exec][show]") {
  std::vector<double> odd = {5, 1, 3}, even = {4, 1, 2, 3}, none;
  CHECK(spread(odd).median == 3);
  CHECK(spread(odd).least == 1);
  CHECK(spread(even).median == 2.5);
  CHECK(spread(even).mean == 2.5);
  CHECK(spread(none).count == 0);
  CHECK(test::aborts([] { wilson(0.5, 0); }));
}

}  // namespace scsim::exec
