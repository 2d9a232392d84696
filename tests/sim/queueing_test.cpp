// Where the simulator is a queue with a known answer: one request at a time, one step each.
#include <catch2/catch.hpp>
#include <cmath>

#include "tests/sim/small_cluster.h"
#include "traces/math.h"

namespace scsim::sim {
namespace {

constexpr double kTokenSeconds = 1e-5;
constexpr double kMeanTokens = 1000;  // 10 ms of service

struct Estimate {
  double mean, half_width;  // of a 99 % confidence interval
};

// By batch means: 40 batches are long enough to be nearly independent, so their means spread as
// Student's t with 39 degrees of freedom, whose 99.5 % quantile is 2.708.
Estimate by_batch_means(const std::vector<double>& values) {
  constexpr std::size_t kBatches = 40;
  const std::size_t length = values.size() / kBatches;
  std::vector<double> means;
  for (std::size_t batch = 0; batch < kBatches; ++batch) {
    double sum = 0;
    for (std::size_t i = 0; i < length; ++i) sum += values[batch * length + i];
    means.push_back(sum / static_cast<double>(length));
  }
  double mean = 0, squares = 0;
  for (const double value : means) mean += value / kBatches;
  for (const double value : means) squares += (value - mean) * (value - mean);
  return {mean, 2.708 * std::sqrt(squares / (kBatches - 1) / kBatches)};
}

// Seconds between arrival and admission, of Poisson arrivals at load `rho`.
template <class Length>
Estimate waiting_time(double rho, std::uint64_t seed, Length prompt_tokens) {
  constexpr std::size_t kRequests = 40'000, kWarmUp = 2'000;
  Rng arrivals(seed, "test.arrivals"), lengths(seed, "test.lengths");
  const double mean_gap = kMeanTokens * kTokenSeconds / rho;
  test::SmallTrace trace;
  double now = 0;
  for (std::size_t i = 0; i < kRequests; ++i) {
    now += arrivals.exponential(mean_gap);
    trace.ask(TimePoint(std::llround(now * 1e9)), prompt_tokens(lengths), 1);
  }
  EngineKnobs knobs;
  knobs.max_sequences = 1;
  knobs.max_batched_tokens = 1'000'000;
  knobs.prefix_caching = false;
  const Result result =
      test::run(trace, test::small_cluster({.prefill_token = kTokenSeconds}, knobs, 100'000));
  std::vector<double> waits;
  for (std::size_t i = kWarmUp; i < result.requests.size(); ++i) {
    const RequestResult& request = result.requests[i];
    waits.push_back((request.scheduled - request.arrival).seconds().value());
  }
  return by_batch_means(waits);
}

// Pollaczek and Khinchine: with Poisson arrivals at rate lambda and service times S, one server,
// the mean wait is lambda E[S^2] / (2 (1 - rho)).

TEST_CASE("requests of one length wait as an M/D/1 queue has it", "[sim][queueing]") {
  for (const double rho : {0.5, 0.8}) {
    const Estimate wait =
        waiting_time(rho, 1, [](Rng&) { return static_cast<std::int64_t>(kMeanTokens); });
    // E[S^2] = D^2 and lambda = rho / D.
    const double service = kMeanTokens * kTokenSeconds;
    const double expected = rho * service / (2 * (1 - rho));
    CAPTURE(rho, wait.mean, wait.half_width, expected);
    CHECK(std::abs(wait.mean - expected) < wait.half_width);
    CHECK(wait.half_width < 0.1 * expected);
  }
}

TEST_CASE("requests of exponential lengths wait as an M/M/1 queue has it", "[sim][queueing]") {
  // An exponential rounded up to whole tokens is geometric with p = 1 - exp(-1 / mean): E[N] = 1 /
  // p and E[N^2] = (2 - p) / p^2, which the limit of small tokens makes 2 E[N]^2.
  const double p = 1 - stable_exp(-1 / kMeanTokens);
  const double mean = kTokenSeconds / p;
  const double second_moment = kTokenSeconds * kTokenSeconds * (2 - p) / (p * p);
  for (const double rho : {0.5, 0.8}) {
    const Estimate wait = waiting_time(rho, 2, [](Rng& rng) {
      return static_cast<std::int64_t>(std::ceil(rng.exponential(kMeanTokens)));
    });
    const double lambda = rho / (kMeanTokens * kTokenSeconds);
    const double expected = lambda * second_moment / (2 * (1 - lambda * mean));
    CAPTURE(rho, wait.mean, wait.half_width, expected);
    CHECK(std::abs(wait.mean - expected) < wait.half_width);
    CHECK(wait.half_width < 0.2 * expected);
  }
}

}  // namespace
}  // namespace scsim::sim
