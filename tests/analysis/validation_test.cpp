#include "analysis/validation.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "tests/analysis/sample_result.h"

namespace scsim::analysis {
namespace {

const ValidatedQuantity& quantity(const Validation& validation, const std::string& name) {
  const auto found = std::ranges::find(validation.quantities, name, &ValidatedQuantity::name);
  REQUIRE(found != validation.quantities.end());
  return *found;
}

// Every request's generation, and so its first token and its end, takes `factor` times as long.
Result with_generation(Result result, double factor) {
  constexpr auto kGeneration = static_cast<std::size_t>(Stage::kGeneration);
  for (RequestResult& r : result.requests) {
    const auto more =
        static_cast<std::int64_t>((factor - 1) * static_cast<double>(r.stage_ns[kGeneration]));
    r.stage_ns[kGeneration] += more;
    r.first_token = r.first_token + Duration(more);
    r.end = r.end + Duration(more);
  }
  return result;
}

SampleOptions light() { return {.requests = 600, .per_second = 1}; }

}  // namespace

TEST_CASE("a run validates itself without error", "[analysis][validation]") {
  const Result run = sample_result(light());
  const auto validation = validate(run, {run});
  REQUIRE(validation.has_value());
  for (const ValidatedQuantity& q : validation->quantities) {
    CHECK(q.error == 0);
    CHECK(q.real == (q.name.ends_with("moment by moment") ? q.real : q.simulated));
    CHECK_FALSE(q.spread.has_value());
  }
  for (const ValidatedRequests& r : validation->by_request) {
    CHECK(r.p90 == 0);
    CHECK(r.correlation == Approx(1));
  }
  CHECK(validation->bars_met() == true);
  CHECK(validation_text(*validation).find("all met") != std::string::npos);
}

TEST_CASE("the stage that takes too long is to blame, and bars are missed by it",
          "[analysis][validation]") {
  const Result real = sample_result(light());
  const auto validation = validate(with_generation(real, 1.5), {real});
  REQUIRE(validation.has_value());
  CHECK(validation->stages.front().stage == Stage::kGeneration);
  CHECK(validation->stages.front().simulated ==
        Approx(1.5 * validation->stages.front().real).epsilon(1e-6));
  const ValidatedQuantity& ttft = quantity(*validation, "TTFT p50");
  CHECK(ttft.error > 0.05);
  CHECK_FALSE(ttft.met());
  CHECK(quantity(*validation, "TPOT mean").met());  // decoding is as it was
  CHECK(validation->bars_met() == false);
  CHECK(validation_text(*validation).find("the stage furthest off is generation") !=
        std::string::npos);
  CHECK(validation_csv(*validation).find("stage,generation,simulated,") != std::string::npos);
}

TEST_CASE("first tokens are compared by where the real run had the prompts from",
          "[analysis][validation]") {
  Result real = sample_result(light());
  real.tiers.resize(2);
  real.tiers[0].name = "host";
  real.tiers[1].name = "disk";
  real.fetches.assign(real.requests.size(), {});
  // The first hundred from the disk, the next from the engine's blocks, all others computed.
  for (std::size_t i = 0; i < real.requests.size(); ++i) {
    RequestResult& r = real.requests[i];
    r.found_tokens = i >= 100 && i < 200 ? r.prompt_tokens - 1 : 0;
    if (i < 100) real.fetches[i].tokens[1] = r.prompt_tokens - 1;
  }
  Result simulated = with_generation(real, 1.2);
  for (std::size_t i = 0; i < 10; ++i) {  // these it has computed
    simulated.fetches[i].tokens = {};
  }
  const auto validation = validate(simulated, {real, with_generation(real, 1.1)});
  REQUIRE(validation.has_value());
  REQUIRE(validation->paths.size() == 3);
  std::int64_t all = 0;
  for (const ValidatedPath& path : validation->paths) {
    all += path.requests;
    CHECK(path.same == path.requests - (path.name == "disk" ? 10 : 0));
    CHECK(path.simulated > path.real);
    CHECK(path.spread > 0.0);
    if (path.name != "computed") CHECK(path.requests <= 100);
  }
  CHECK(all == validation->requests);
  CHECK(validation_text(*validation).find("prompts mostly from") != std::string::npos);
  CHECK(validation_csv(*validation).find("path,disk,simulated,") != std::string::npos);
}

TEST_CASE("errors within one and a half spreads of repeated runs are the real engine's own",
          "[analysis][validation]") {
  const Result real = sample_result(light());
  // TTFT of these runs is off by different amounts; the middle one is the truth.
  const std::vector<Result> runs = {real, with_generation(real, 1.3), with_generation(real, 0.7)};
  const auto validation = validate(with_generation(real, 1.4), runs);
  REQUIRE(validation.has_value());
  const ValidatedQuantity& ttft = quantity(*validation, "TTFT p50");
  const auto alone = validate(with_generation(real, 1.4), {real});
  const ValidatedQuantity& as_alone = quantity(*alone, "TTFT p50");
  CHECK(ttft.real == as_alone.real);
  CHECK(ttft.error == as_alone.error);
  CHECK(*ttft.bar == Approx(1.5 * *ttft.spread));
  CHECK(ttft.met());
  CHECK_FALSE(as_alone.met());
  CHECK(validation->by_request[0].real_median.has_value());
}

TEST_CASE("runs of different traces are told apart", "[analysis][validation]") {
  const Result real = sample_result(light());
  Result longer = real;
  longer.requests[3].prompt_tokens += 1;
  CHECK(validate(longer, {real}).error().message.starts_with("request 3 has "));
  Result fewer = real;
  fewer.requests.pop_back();
  CHECK(validate(fewer, {real}).error().message ==
        "request 599 is not in every run; they are not of the same trace");
}

TEST_CASE("no bar is asked of a saturated run, and unfinished requests are left out",
          "[analysis][validation]") {
  const Result flooded = sample_result({.requests = 2000, .per_second = 60});
  const auto validation = validate(with_generation(flooded, 2), {flooded});
  REQUIRE(validation.has_value());
  CHECK(validation->saturated);
  CHECK_FALSE(validation->bars_met().has_value());
  CHECK(validation_text(*validation).find("not asked: the real run was ") != std::string::npos);
  Result real = sample_result(light());
  const auto unfinished = std::ranges::count_if(
      real.requests, [](const RequestResult& r) { return r.outcome != Outcome::kFinished; });
  real.requests[5].outcome = Outcome::kCancelled;
  CHECK(validate(sample_result(light()), {real})->left_out == unfinished + 1);
}

}  // namespace scsim::analysis
