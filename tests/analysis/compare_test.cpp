#include "analysis/compare.h"

#include <catch2/catch.hpp>

#include "tests/analysis/sample_result.h"

namespace scsim::analysis {
namespace {

// Every request of `result` ends later by `seconds`, in its decode.
Result slowed(Result result, double seconds) {
  for (RequestResult& r : result.requests) r.end = r.end + to_duration(Seconds(seconds));
  result.end = result.end + to_duration(Seconds(seconds));
  return result;
}

}  // namespace

TEST_CASE("a result is no different from itself", "[analysis][compare]") {
  const Result a = sample_result({});
  const Comparison comparison = compare(a, a, {}, "a", "b");
  REQUIRE(comparison.is_paired());
  CHECK(comparison.pairs == comparison.a.all.finished());
  for (const PairedMetric& metric : comparison.paired) {
    CHECK(metric.difference.mean.value == 0);
    CHECK(metric.better == 0);
    CHECK(metric.worse == 0);
  }
  CHECK(comparison_text(comparison).find("no difference shown") != std::string::npos);
}

TEST_CASE("pairing finds a small difference that the two means hide", "[analysis][compare]") {
  const Result a = sample_result({});
  const Comparison comparison = compare(a, slowed(a, 0.05), {}, "a", "b");
  REQUIRE(comparison.is_paired());
  const PairedMetric& e2e = comparison.paired[2];
  CHECK(e2e.difference.mean.value == Approx(0.05));
  CHECK(e2e.difference.mean.interval->half_width < 1e-6);
  CHECK(comparison.a.all.e2e.mean.interval->half_width > 0.05);
  CHECK(e2e.better == 0);
  CHECK(e2e.better + e2e.same + e2e.worse == e2e.difference.count);
  CHECK(comparison.paired[0].worse == 0);  // TTFT is as it was
  CHECK(comparison_text(comparison).find("B is slower") != std::string::npos);
}

TEST_CASE("requests are paired by place, not by order of arrival", "[analysis][compare]") {
  const Result a = sample_result({});
  Result b = a;
  // In a closed loop, two requests may arrive the other way round.
  for (std::size_t i = 0; i + 1 < b.requests.size(); i += 2)
    std::swap(b.requests[i], b.requests[i + 1]);
  const Comparison comparison = compare(a, b, {}, "a", "b");
  REQUIRE(comparison.is_paired());
  CHECK(comparison.paired[2].same == comparison.pairs);
}

TEST_CASE("requests that finished in one only are counted", "[analysis][compare]") {
  const Result a = sample_result({});
  Result b = a;
  b.requests[1000].outcome = Outcome::kTimedOut;
  const Comparison comparison = compare(a, b, {}, "a", "b");
  CHECK(comparison.finished_only_in_a == 1);
  CHECK(comparison.finished_only_in_b == 0);
}

TEST_CASE("different traces are not paired, and it is said why", "[analysis][compare]") {
  const Result a = sample_result({});
  const auto why = [&](const Result& b) { return compare(a, b, {}, "a", "b").why_unpaired; };
  CHECK(why(sample_result({.requests = 100})).find("A has 2,000 requests and B 100") !=
        std::string::npos);
  Result longer = a;
  longer.requests[17].prompt_tokens = 512;
  CHECK(why(longer).find("request 17 has") != std::string::npos);
  Result other = a;
  other.trace.seed = 2;
  const Comparison comparison = compare(a, other, {}, "a", "b");
  CHECK(comparison.why_unpaired.find("seed 2") != std::string::npos);
  CHECK(comparison.paired.empty());
  CHECK(comparison_text(comparison).find("not paired") != std::string::npos);
}

TEST_CASE("what only one of the clusters has is said beside its name", "[analysis][compare]") {
  const Result a = sample_result({});
  Result b = a;
  b.cluster_text += "router:\n  policy: random\n";
  const Comparison comparison = compare(a, b, {}, "a", "b");
  CHECK(comparison.cluster_a.empty());
  CHECK(comparison.cluster_b == std::vector<std::string>{"router:", "policy: random"});
  CHECK(comparison_text(comparison).find("only here: router:, policy: random") !=
        std::string::npos);
}

TEST_CASE("warnings of either side stand above the comparison", "[analysis][compare]") {
  const Result a = sample_result({});
  Result b = a;
  b.honesty.push_back("unverified: no recorded run backs this preset");
  const std::string text = comparison_text(compare(a, b, {}, "a", "b"));
  CHECK(text.find("! uncalibrated") != std::string::npos);
  CHECK(text.find("! B: unverified") != std::string::npos);
}

}  // namespace scsim::analysis
