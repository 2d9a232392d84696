#include <catch2/catch.hpp>

#include "tests/traces/imported.h"

namespace scsim::test {
namespace {

const std::string kSample =
    "Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
    "5,abc,3.1,ChatGPT,472,18,490,Conversation log\n"
    "45.5,,2,GPT-4,1087.0,230,1317,API log\n"
    "50,abc,2,ChatGPT,600,20,620,Conversation log\n"
    "51,,2,GPT-4,300,0,300,API log\n"
    "52,,2,GPT-4,0,0,0,API log\n"
    "53,,2,GPT-4,many,5,5,API log\n"
    "54,,2,GPT-4,5,-5,5,API log\n"
    "60,xyz,2,GPT-4,30,10,40,Conversation log\n";

TEST_CASE("burstgpt models are models, log types tasks and sessions sessions",
          "[traces][burstgpt]") {
  const Imported trace = import_text("burstgpt", kSample);
  REQUIRE(trace.error == "");
  REQUIRE(trace.requests.size() == 4);
  CHECK(trace.requests[1].arrival == TimePoint(40'500'000'000));
  CHECK(trace.requests[1].prompt_tokens() == Tokens(1087));
  CHECK(trace.tables.models == std::vector<std::string>{"ChatGPT", "GPT-4"});
  CHECK(trace.tables.tasks == std::vector<std::string>{"Conversation log", "API log"});
  CHECK(trace.requests[1].model == ModelId(1));
  CHECK(trace.requests[2].session == trace.requests[0].session);
  CHECK(trace.requests[2].turn == 1);
  CHECK(trace.requests[2].parents == std::vector<RequestId>{RequestId(0)});
  CHECK(trace.requests[3].session != trace.requests[1].session);
}

TEST_CASE("requests that failed at burstgpt are left out and counted", "[traces][burstgpt]") {
  const Imported trace = import_text("burstgpt", kSample);
  CHECK(trace.report.rows == 8);
  CHECK(trace.report.left_out == 2);
  CHECK_THAT(trace.header.notes, Catch::Contains("2 rows left out: requests that failed"));
}

TEST_CASE("burstgpt rows that are wrong are counted, and the first stops a strict import",
          "[traces][burstgpt]") {
  const Imported trace = import_text("burstgpt", kSample);
  CHECK(trace.report.first_rejected ==
        std::vector<std::string>{"log:7: Request tokens: expected a whole number, found \"many\"",
                                 "log:8: Response tokens: expected at least 0, found -5"});
  CHECK(import_text("burstgpt", kSample, {}, /*strict=*/true).error ==
        trace.report.first_rejected[0]);
}

TEST_CASE("burstgpt without sessions makes each request a session", "[traces][burstgpt]") {
  const Imported trace = import_text("burstgpt",
                                     "Timestamp,Model,Request tokens,Response tokens,Total "
                                     "tokens,Log Type\n5,ChatGPT,4,1,5,API log\n6,ChatGPT,4,1,5,"
                                     "API log\n");
  REQUIRE(trace.requests.size() == 2);
  CHECK(trace.requests[0].session != trace.requests[1].session);
}

}  // namespace
}  // namespace scsim::test
