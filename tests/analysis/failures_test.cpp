#include "analysis/failures.h"

#include <catch2/catch.hpp>

#include "analysis/scaling.h"
#include "analysis/text_report.h"
#include "tests/analysis/sample_result.h"

namespace scsim::analysis {
namespace {

using Catch::Contains;

TEST_CASE("a report says what broke, what was lost and whom it hit", "[analysis][failures]") {
  Result result = sample_result({.requests = 400});
  CHECK(text_report(result, summarise(result, {})).find("Failures") == std::string::npos);
  result.failures = {{"engine", "engine1", at(5), at(20), 3, 4096, 0},
                     {"node", "node0", at(30), at(31), 2, 0, std::int64_t{3} << 30}};
  result.engines[1].down_ns = at(15).ns();
  result.requests[7].retries = 2;
  result.requests[8].retries = 1;
  result.requests[8].outcome = Outcome::kFailed;
  const std::string text = failures_text(result, summarise(result, {}));
  for (const char* part : {"2 failures (1 engine, 1 node)", "15.0 s", "4,096 tokens", "3 GiB",
                           "2 requests started anew, 3 times, and 1 failed"})
    CHECK_THAT(text, Contains(part));
  CHECK_THAT(text_report(result, summarise(result, {})), Contains("Failures"));
}

TEST_CASE("engines that were off are neither paid for nor missed where none was",
          "[analysis][scaling]") {
  Result result = sample_result({.requests = 400, .engines = 2, .price_per_gpu_hour = 3.6});
  CHECK(scaling_text(result).empty());
  const double all = summarise(result, {}).money->dollars;
  result.engines[1].off_ns = result.end.ns() / 2;
  result.engines[1].idle_ns -= result.end.ns() / 2;
  CHECK(scaling_of(result).gpu_share == Approx(0.75));
  CHECK(summarise(result, {}).money->dollars == Approx(0.75 * all));
  CHECK(summarise(result, {}).costs->total.dollars() == Approx(0.75 * all));
  CHECK_THAT(scaling_text(result), Contains("engine-hours of"));
}

}  // namespace
}  // namespace scsim::analysis
