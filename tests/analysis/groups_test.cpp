#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <numeric>

#include "analysis/request_times.h"
#include "analysis/summary.h"
#include "analysis/summary_parts.h"
#include "tests/analysis/sample_result.h"

namespace scsim::analysis {
namespace {

// Two classes: "fast" wants TTFT 1 s and TPOT 0.1 s; "free" wants nothing.
Result two_classes() {
  Result result;
  result.slos.resize(2);
  result.slos[0].name = "fast";
  result.slos[0].ttft = Duration(1000000000);
  result.slos[0].tpot = Duration(100000000);
  result.slos[1].name = "free";
  return result;
}

}  // namespace

TEST_CASE("times of a request are those of vLLM", "[analysis]") {
  const RequestResult r = finished_request(1, 2, 4, 10, 4);
  CHECK(ttft(r) == Approx(3));
  CHECK(tpot(r) == Approx(2));
  CHECK(e2e(r) == Approx(9));
  CHECK_FALSE(tpot(finished_request(1, 2, 4, 4, 1)));
  RequestResult refused;
  refused.outcome = Outcome::kRefused;
  CHECK_FALSE(ttft(refused));
  CHECK_FALSE(admitted(refused));
}

TEST_CASE("tenants and turns divide the requests and their tokens", "[analysis]") {
  const Result result = sample_result({});
  const Summary summary = summarise(result, {});
  for (const auto* groups : {&summary.tenants, &summary.turns}) {
    std::int64_t requests = 0, found = 0, ttfts = 0, within = 0;
    double queue = 0;
    for (const GroupSummary& group : *groups) {
      requests += group.requests;
      found += group.hits.found_tokens;
      ttfts += group.ttft.count;
      within += group.slo.within;
      queue += group.stage_seconds[0] * static_cast<double>(group.finished());
    }
    CHECK(requests == summary.all.requests);
    CHECK(found == summary.all.hits.found_tokens);
    CHECK(ttfts == summary.all.ttft.count);
    CHECK(within == summary.all.slo.within);
    CHECK(queue ==
          Approx(summary.all.stage_seconds[0] * static_cast<double>(summary.all.finished())));
  }
  CHECK(summary.tenants.size() == 3);
  CHECK(summary.turns.size() == 6);
  CHECK(summary.turns[0].hits.ratio() == 0);
  CHECK(summary.turns[1].hits.ratio() == Approx(0.5).margin(0.001));
}

TEST_CASE("the stages of a request add up to its time", "[analysis]") {
  const Summary summary = summarise(sample_result({}), {});
  const auto& stages = summary.all.stage_seconds;
  CHECK(std::accumulate(stages.begin(), stages.end(), 0.0) ==
        Approx(summary.all.e2e.mean.value).epsilon(1e-9));
}

TEST_CASE("quantiles of a tenant are those of its requests alone", "[analysis]") {
  const Result result = sample_result({});
  const Summary summary = summarise(result, {});
  std::vector<double> values;
  for (const RequestResult& r : result.requests)
    if (r.tenant == 1 && summary.window.measures(r)) values.push_back(*ttft(r));
  CHECK(summary.tenants[1].ttft.count == static_cast<std::int64_t>(values.size()));
  CHECK(summary.tenants[1].ttft.p90.value == quantile(values, 0.9));
}

TEST_CASE("a request is within its SLO when every target of its class is met", "[analysis]") {
  Result result = two_classes();
  result.requests = {finished_request(0, 0, 0.5, 1.5, 21),   // 0.5 s, 0.05 s: within
                     finished_request(1, 1, 3.0, 4.0, 21),   // 2 s: too late
                     finished_request(2, 2, 2.5, 12.5, 21),  // 0.5 s a token: too slow
                     finished_request(3, 3, 3.5, 3.5, 1),    // one token: within
                     finished_request(4, 4, 9.0, 9.0, 1),    // class "free"
                     finished_request(10, 10, 10.1, 10.2, 2)};
  result.requests[4].slo = 1;
  result.requests[5].outcome = Outcome::kCancelled;  // did not finish: not within
  result.end = at(13);
  const Summary summary = summarise(result, {.warm_up = 0});
  CHECK(summary.all.slo.with_targets == 5);
  CHECK(summary.all.slo.within == 2);
  REQUIRE(summary.slos.size() == 2);
  CHECK(summary.slos[0].met_ttft == 3);
  CHECK(summary.slos[0].met_tpot == 3);
  CHECK(summary.slos[0].within == 2);
  CHECK(summary.slo_met() == false);
  // Per second of the ten between first and last arrival; what ends later is not counted.
  CHECK(summary.rates.goodput == Approx(2 / 10.0));
  CHECK(summary.rates.without_targets == Approx(1 / 10.0));
  CHECK(summary.rates.finished == Approx(4 / 10.0));
  CHECK(summary.rates.arrivals == Approx(6 / 10.0));
}

TEST_CASE("without targets nothing is said of an SLO", "[analysis]") {
  Result result = two_classes();
  result.requests = {finished_request(0, 0, 1, 2, 2), finished_request(9, 9, 10, 11, 2)};
  for (RequestResult& r : result.requests) r.slo = 1;
  result.end = at(11);
  const Summary summary = summarise(result, {.warm_up = 0});
  CHECK_FALSE(summary.slo_met());
  CHECK(summary.rates.goodput == 0);
}

TEST_CASE("tokens are spread over the time in which they were made", "[analysis]") {
  Result result;
  // The second request generates 100 tokens from 8 s to 12 s; the window ends at 10 s.
  result.requests = {finished_request(0, 0, 1, 2, 11), finished_request(6, 6, 8, 12, 100),
                     finished_request(10, 10, 11, 12, 50)};
  result.requests[1].prompt_tokens = 400;
  result.end = at(12);
  const Summary summary = summarise(result, {.warm_up = 0});
  CHECK(summary.rates.generated_tokens == Approx((11 + 50) / 10.0));
  CHECK(summary.rates.prompt_tokens == Approx(400 / 10.0));
}

TEST_CASE("requests that were never admitted have no part in the hit ratio", "[analysis]") {
  Result result;
  result.requests = {finished_request(0, 0, 1, 2, 2), finished_request(9, 9, 10, 11, 2)};
  result.requests[0].prompt_tokens = 100;
  result.requests[0].found_tokens = 40;
  result.requests[1] = RequestResult();
  result.requests[1].arrival = result.requests[1].end = at(9);
  result.requests[1].outcome = Outcome::kRefused;
  result.requests[1].prompt_tokens = 1000000;
  result.end = at(11);
  CHECK(summarise(result, {.warm_up = 0}).all.hits.ratio() == Approx(0.4));
}

TEST_CASE("gaps are read off their bins, mean and worst exactly", "[analysis]") {
  GapHistogram gaps;
  CHECK(describe_gaps(gaps).count == 0);
  // Bin 100 ends 6 % above its beginning; a thousand gaps there and ten far beyond.
  const double low = GapHistogram::kShortest * std::pow(1.06, 100);
  gaps.count[100] = 990;
  gaps.count[150] = 10;
  gaps.sum_seconds = 990 * low * 1.03 + 10 * 0.5;
  gaps.worst_ns = 500000000;
  const Distribution d = describe_gaps(gaps);
  CHECK(d.count == 1000);
  CHECK(d.mean.value == Approx(gaps.sum_seconds / 1000));
  CHECK(d.p50.value == Approx(low * (1 + 0.06 * 500 / 990)));
  CHECK(d.p99.value == Approx(low * 1.06));
  CHECK(d.worst == 0.5);
  CHECK_FALSE(d.p50.interval);
}

TEST_CASE("a run without requests has a summary", "[analysis]") {
  const Summary summary = summarise(Result(), {});
  CHECK(summary.all.requests == 0);
  CHECK(summary.tenants.empty());
  CHECK_FALSE(summary.slo_met());
  CHECK(summary.verdict.load == Load::kNotJudged);
}

TEST_CASE("requests that did not finish are named when they are many", "[analysis]") {
  Result result = sample_result({.requests = 200});
  const auto survivors = [](const Summary& summary) {
    return std::ranges::any_of(summary.honesty, [](const std::string& line) {
      return line.starts_with("survivors only");
    });
  };
  CHECK_FALSE(survivors(summarise(result, {})));
  for (std::size_t i = 100; i < 120; ++i) result.requests[i].outcome = Outcome::kTimedOut;
  CHECK(survivors(summarise(result, {})));
}

}  // namespace scsim::analysis
