#include <catch2/catch.hpp>

#include "tests/traces/imported.h"

namespace scsim::test {
namespace {

const std::string kSample = R"([
  {"id": "a", "conversations": [
    {"from": "system", "value": "Be kind."},
    {"from": "human", "value": "One, two?"},
    {"from": "gpt", "value": "Three."},
    {"from": "human", "value": "Five, six?"},
    {"from": "gpt", "value": "Seven."}]},
  {"id": "b", "conversations": [
    {"from": "gpt", "value": "Said before."},
    {"from": "human", "value": "And now?"},
    {"from": "gpt", "value": "Said after."},
    {"from": "gpt", "value": "And more."}]},
  {"id": "c", "conversations": [{"from": "human", "value": "Nobody there?"}]},
  {"id": "d", "conversations": [{"from": "human"}]},
  {"id": "e", "conversation": []}
])";

TEST_CASE("a turn's prompt is all that was said before it", "[traces][sharegpt]") {
  const Imported trace = import_text("sharegpt", kSample, {{"rate", "0.001"}});
  REQUIRE(trace.error == "");
  REQUIRE(trace.requests.size() == 3);
  const std::vector<Request>& requests = trace.requests;
  // At 4 characters a token: "Be kind." 2, "One, two?" 3, "Three." 2, ...; only the total of what
  // is new in a prompt is rounded up: 17 characters are 5 tokens.
  CHECK(requests[0].prompt_tokens() == Tokens(5));
  CHECK(requests[0].output_tokens == Tokens(2));
  CHECK(requests[1].session == requests[0].session);
  CHECK(requests[1].turn == 1);
  REQUIRE(requests[1].prompt.size() == 4);
  CHECK(requests[1].prompt[0] == requests[0].prompt[0]);
  CHECK(requests[1].prompt[1] == requests[0].prompt[1]);
  CHECK(requests[1].prompt[2] == Span{requests[0].output, Tokens(0), Tokens(2)});
  CHECK(trace.text(requests[1].prompt[3].content) == "Five, six?");
  // b: what the model said first is there, but nobody asked for it; nor for what it added.
  REQUIRE(requests[2].prompt.size() == 2);
  CHECK(trace.text(requests[2].output) == "Said after.");
}

TEST_CASE("first turns arrive at their times, later ones after some thought",
          "[traces][sharegpt]") {
  const Imported trace = import_text("sharegpt", kSample, {{"rate", "0.001"}, {"think", "3 s"}});
  REQUIRE(trace.requests.size() == 3);
  CHECK(trace.requests[0].arrival == TimePoint(0));
  CHECK_FALSE(trace.requests[1].arrival.has_value());
  CHECK(trace.requests[1].think > Duration(0));
  CHECK(trace.requests[1].earliest == TimePoint(0) + trace.requests[1].think);
  CHECK(trace.requests[1].parents == std::vector<RequestId>{RequestId(0)});
  CHECK(trace.requests[2].arrival.has_value());
  const Imported other =
      import_text("sharegpt", kSample, {{"rate", "0.001"}, {"think", "3 s"}, {"seed", "2"}});
  CHECK(other.requests[1].think != trace.requests[1].think);
  CHECK(other.header.seed == 2);
}

TEST_CASE("many conversations keep their rate and their thinking time", "[traces][sharegpt]") {
  std::string log;
  for (int i = 0; i < 4'000; ++i) {
    log += R"({"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}, )"
           R"({"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]})"
           "\n";
  }
  const Imported trace = import_text("sharegpt", log, {{"rate", "20"}, {"think", "5 s"}});
  REQUIRE(trace.requests.size() == 8'000);
  double last_start = 0, thinking = 0;
  for (const Request& request : trace.requests) {
    if (request.arrival) last_start = request.arrival->seconds().value();
    thinking += request.think.seconds().value();
  }
  // 3,999 exponential gaps of 1/20 s: 200 s with a deviation of 200 / sqrt(3,999) = 3.2 s.
  CHECK(last_start == Approx(200).margin(13));
  // 4,000 of 5 s in the mean: a deviation of 5 / sqrt(4,000) = 0.08 s.
  CHECK(thinking / 4'000 == Approx(5).margin(0.32));
  CHECK(import_text("sharegpt", log, {{"conversations", "10"}}).requests.size() == 20);
}

TEST_CASE("sharegpt rows that are wrong are counted, and the first stops a strict import",
          "[traces][sharegpt]") {
  const Imported trace = import_text("sharegpt", kSample);
  CHECK(trace.report.rows == 5);
  CHECK(trace.report.left_out == 1);
  CHECK(trace.report.first_rejected ==
        std::vector<std::string>{
            "log:14: conversations[0]: no value; the row has from",
            "log:15: no conversations; did you mean conversation; the row has id, conversation"});
  CHECK(import_text("sharegpt", kSample, {}, /*strict=*/true).error ==
        trace.report.first_rejected[0]);
  CHECK_THAT(import_text("sharegpt", kSample, {{"think", "long"}}).error,
             Catch::StartsWith("option think: expected a time"));
  CHECK(import_text("sharegpt", "[]").error == "log: no request among 0 rows");
}

}  // namespace
}  // namespace scsim::test
