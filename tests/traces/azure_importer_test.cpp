#include <catch2/catch.hpp>

#include "tests/support/real_data.h"
#include "tests/traces/imported.h"

namespace scsim::test {
namespace {

const std::string kSample =
    "TIMESTAMP,ContextTokens,GeneratedTokens\r\n"
    "2023-11-16 23:59:59.9999999,100,7\r\n"
    "2023-11-17 00:00:00.0000001,200,3\r\n"
    "2023-11-17 00:00:01,300,0\r\n"
    "2023-11-17 00:00:02,,5\r\n"
    "2023-11-17 00:00,400,5,6\r\n"
    "yesterday,400,5\r\n"
    "2023-02-30 00:00:02,400,5\r\n"
    "\r\n"
    "2024-05-10 00:00:00.009930+00:00,500,5\r\n";

TEST_CASE("an azure trace keeps its times to the tick and its lengths", "[traces][azure]") {
  const Imported trace = import_text("azure", kSample);
  REQUIRE(trace.error == "");
  REQUIRE(trace.requests.size() == 3);
  CHECK(trace.requests[0].arrival == TimePoint(0));
  CHECK(trace.requests[1].arrival == TimePoint(200));
  CHECK(trace.requests[1].prompt_tokens() == Tokens(200));
  CHECK(trace.requests[1].output_tokens == Tokens(3));
  CHECK(trace.requests[1].max_tokens == Tokens(8));
  CHECK(trace.requests[0].prompt[0].content != trace.requests[1].prompt[0].content);
}

TEST_CASE("azure rows that are wrong are counted, and the first stops a strict import",
          "[traces][azure]") {
  const Imported trace = import_text("azure", kSample);
  CHECK(trace.report.rows == 8);
  CHECK(trace.report.rejected == 5);
  REQUIRE(trace.report.first_rejected.size() == 5);
  CHECK(trace.report.first_rejected[0] == "log:4: GeneratedTokens: expected at least 1, found 0");
  CHECK(trace.report.first_rejected[1] ==
        "log:5: ContextTokens: expected a whole number, found \"\"");
  CHECK(trace.report.first_rejected[2] == "log:6: 4 fields; expected 3");
  CHECK_THAT(trace.report.first_rejected[3],
             Catch::StartsWith("log:7: TIMESTAMP: expected a time"));
  CHECK_THAT(trace.report.first_rejected[4],
             Catch::StartsWith("log:8: TIMESTAMP: expected a time"));
  CHECK(import_text("azure", kSample, {}, /*strict=*/true).error == trace.report.first_rejected[0]);
}

TEST_CASE("a csv file of another kind is refused by its columns", "[traces][azure]") {
  CHECK_THAT(import_text("azure", "TIME,ContextTokens,GeneratedTokens\n1,2,3\n").error,
             Catch::StartsWith("log:1: unknown column \"TIMESTAMP\""));
  CHECK(import_text("azure", "").error == "log: empty; expected a CSV file");
  CHECK(import_text("azure", "TIMESTAMP,ContextTokens,GeneratedTokens\n").error ==
        "log: no request among 0 rows");
}

TEST_CASE("the azure traces of 2023 have the rows that are known", "[traces][azure]") {
  const auto code = real_data("traces/azure2023/AzureLLMInferenceTrace_code.csv.zst");
  const auto chat = real_data("traces/azure2023/AzureLLMInferenceTrace_conv.csv.zst");
  if (!code || !chat) return;
  const Imported code_trace = import_files("azure", {*code});
  CHECK(code_trace.requests.size() == 8'819);
  CHECK(code_trace.report.rejected == 0);
  CHECK(import_files("azure", {*chat}).requests.size() == 19'366);
}

}  // namespace
}  // namespace scsim::test
