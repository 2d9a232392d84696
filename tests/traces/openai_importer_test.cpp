#include <catch2/catch.hpp>

#include "tests/traces/imported.h"

namespace scsim::test {
namespace {

// Two users with the same system prompt; ann's second request goes on after the answer to her
// first.
const std::string kSample =
    R"({"timestamp": 10, "user": "ann", "model": "m", "max_tokens": 64, "messages": [{"role": "system", "content": "You are a helpful assistant of this company."}, {"role": "user", "content": "What is the price?"}], "response": {"choices": [{"message": {"role": "assistant", "content": "Twelve."}}], "usage": {"prompt_tokens": 30, "completion_tokens": 5}}}
{"timestamp": 11, "user": "bob", "model": "m", "messages": [{"role": "system", "content": "You are a helpful assistant of this company."}, {"role": "user", "content": "Who are you?"}], "response": {"choices": [{"message": {"role": "assistant", "content": "A computer."}}], "usage": {"prompt_tokens": 28, "completion_tokens": 6}}}
{"timestamp": 12, "user": "ann", "model": "m", "messages": [{"role": "system", "content": "You are a helpful assistant of this company."}, {"role": "user", "content": "What is the price?"}, {"role": "assistant", "content": "Twelve."}, {"role": "user", "content": "Why?"}], "usage": {"prompt_tokens": 40, "completion_tokens": 9}}
)";

TEST_CASE("equal messages are equal contents, and prompts are as long as usage says",
          "[traces][openai]") {
  const Imported trace = import_text("openai", kSample);
  REQUIRE(trace.error == "");
  REQUIRE(trace.requests.size() == 3);
  const std::vector<Request>& requests = trace.requests;
  CHECK(requests[0].prompt_tokens() == Tokens(30));
  CHECK(requests[1].prompt_tokens() == Tokens(28));
  CHECK(requests[2].prompt_tokens() == Tokens(40));
  CHECK(requests[1].output_tokens == Tokens(6));

  REQUIRE(requests[0].prompt.size() == 2);
  CHECK(requests[1].prompt[0] == requests[0].prompt[0]);
  CHECK(trace.text(requests[0].prompt[0].content) ==
        "You are a helpful assistant of this company.");
  CHECK(std::get<1>(trace.texts.front()) == "system");

  // system, question, ann's answer, question
  REQUIRE(requests[2].prompt.size() == 4);
  CHECK(requests[2].prompt[1] == requests[0].prompt[1]);
  CHECK(requests[2].prompt[2] == Span{requests[0].output, Tokens(0), Tokens(5)});
  CHECK(trace.text(requests[2].prompt[3].content) == "Why?");
}

TEST_CASE("a request continues the one whose messages it repeats", "[traces][openai]") {
  const Imported trace = import_text("openai", kSample);
  REQUIRE(trace.requests.size() == 3);
  CHECK(trace.requests[2].session == trace.requests[0].session);
  CHECK(trace.requests[2].turn == 1);
  CHECK(trace.requests[2].parents == std::vector<RequestId>{RequestId(0)});
  CHECK(trace.requests[1].session != trace.requests[0].session);
  CHECK(trace.tables.tenants[1].name == "bob");
  CHECK(trace.requests[0].max_tokens == Tokens(64));
  CHECK(trace.requests[1].max_tokens == Tokens(16));
}

TEST_CASE("without usage a request is as long as its characters say", "[traces][openai]") {
  const std::string log =
      R"({"request": {"messages": [{"role": "user", "content": "0123456789"}], "model": "x"}, "created": 1, "response": "abcdefgh"})";
  const Imported trace = import_text("openai", log, {{"chars_per_token", "2.5"}});
  REQUIRE(trace.requests.size() == 1);
  CHECK(trace.requests[0].prompt_tokens() == Tokens(4));
  CHECK(trace.requests[0].output_tokens == Tokens(4));  // 3.2, rounded up
  CHECK(trace.tables.models == std::vector<std::string>{"x"});
  CHECK_THAT(trace.header.notes, Catch::Contains("2.5 characters per token"));
  CHECK(import_text("openai", log, {{"keep_text", "false"}}).texts.empty());
}

TEST_CASE("batch lines, parts, tools and rows without a time are understood", "[traces][openai]") {
  const std::string log =
      R"({"custom_id": "1", "body": {"tools": [{"type": "function"}], "messages": [{"role": "user", "content": [{"type": "text", "text": "Look: "}, {"type": "image_url", "image_url": {"url": "http://x/y.png"}}]}]}, "response": {"body": {"usage": {"prompt_tokens": 900, "completion_tokens": 3}}}}
{"custom_id": "2", "body": {"tools": [{"type": "function"}], "messages": [{"role": "user", "content": [{"type": "text", "text": "Look: "}, {"type": "image_url", "image_url": {"url": "http://x/y.png"}}]}, {"role": "assistant", "content": null, "tool_calls": [{"id": "c", "function": {"name": "f"}}]}, {"role": "tool", "content": "42"}]}, "response": {"body": {"usage": {"prompt_tokens": 950, "completion_tokens": 3}}}}
)";
  const Imported trace = import_text("openai", log, {{"interval", "200 ms"}});
  REQUIRE(trace.error == "");
  REQUIRE(trace.requests.size() == 2);
  CHECK(trace.requests[1].arrival == TimePoint(200'000'000));
  CHECK(trace.requests[1].prompt_tokens() == Tokens(950));
  CHECK(trace.requests[1].prompt[0] == trace.requests[0].prompt[0]);
  CHECK(trace.requests[1].prompt[1] == trace.requests[0].prompt[1]);
  CHECK(trace.requests[1].parents == std::vector<RequestId>{RequestId(0)});
}

TEST_CASE("openai rows that are wrong are counted, and the first stops a strict import",
          "[traces][openai]") {
  const std::string log = kSample + R"({"timestamp": 13, "user": "ann"}
{"timestamp": 13, "messages": "hello", "usage": {"completion_tokens": 9}}
{"timestamp": 13, "messages": [{"role": "user", "content": "a"}]}
{"messages": [{"role": "user", "content": "a"}], "response": "b"}
{"timestamp": 13, "messages": [], "response": "b"}
{"timestamp": 13, "messages": ["a"], "response": "b"}
{"timestamp": 13, "messages": [{"role": "user", "content": "a"}], "usage": {"prompt_tokens": -1, "completion_tokens": 9}}
)";
  const Imported trace = import_text("openai", log);
  CHECK(trace.report.first_rejected ==
        std::vector<std::string>{
            "log:4: no messages; the row has timestamp, user",
            "log:5: messages: expected a list, found a string",
            "log:6: neither usage.completion_tokens nor an answer: how long was it?",
            "log:7: no timestamp; the row has messages, response",
            "log:8: tokens of the prompt: expected at least 1, found 0",
            "log:9: messages[0]: expected an object, found a string",
            "log:10: usage.prompt_tokens: expected at least 1, found -1"});
  CHECK(import_text("openai", log, {}, /*strict=*/true).error == trace.report.first_rejected[0]);
}

}  // namespace
}  // namespace scsim::test
