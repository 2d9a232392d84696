#include <catch2/catch.hpp>
#include <filesystem>

#include "tests/support/real_data.h"
#include "tests/traces/imported.h"

namespace scsim::test {
namespace {

const std::map<std::string, std::string> kSample = {
    {"0_trace.jsonl",
     R"({"timestamp": "5", "input_length": 62, "output_length": 7, "hash_ids": {"sys_prompt": [1], "passages_ids": [1, 2], "history": [], "web_search": [], "user_input": [9]}, "session_id": "s"}
{"timestamp": "4", "input_length": 55, "output_length": 7, "hash_ids": {"sys_prompt": [1], "passages_ids": [2, 1], "history": [], "web_search": [], "user_input": []}, "session_id": "t"}
{"timestamp": "6", "input_length": 60, "output_length": 7, "hash_ids": {"sys_prompt": [1], "passages_ids": [3], "history": [], "web_search": [], "user_input": []}, "session_id": "t"}
{"timestamp": "6", "input_length": 9, "output_length": 7, "hash_ids": {"sys_prompt": [1], "passages_ids": [], "history": [], "web_search": [], "user_input": []}, "session_id": "t"}
{"timestamp": "7", "input_length": 11, "output_length": 7, "hash_ids": {"sys_prompt": [1], "passages_ids": [], "history": [4], "web_search": [], "user_input": []}, "session_id": "s"}
)"},
    {"1_sys_prompt.jsonl", "{\"sys_prompt_id\": 1, \"token_length\": 10}\n"},
    {"2_passages.jsonl",
     "{\"passage_id\": 1, \"token_length\": 20}\n{\"passage_id\": 2, \"token_length\": 25}\n"},
    {"3_history.jsonl", "{\"history_id\": 4, \"token_length\": 0}\n"},
    {"4_user_input.jsonl", "{\"user_input_id\": 9, \"token_length\": 5}\n"}};

TEST_CASE("a passage is the same content at whatever place it stands", "[traces][ragpulse]") {
  const Imported trace = import_texts("ragpulse", kSample);
  REQUIRE(trace.error == "");
  REQUIRE(trace.requests.size() == 3);
  // Of the earlier of the two: system prompt 0, passage 2 is 1, passage 1 is 2. All of 55 tokens.
  CHECK(spans(trace.requests[0]) == "0:0+10 1:0+25 2:0+20");
  // Its answer is 3, the question 4, and two tokens that no content accounts for 5.
  CHECK(spans(trace.requests[1]) == "0:0+10 2:0+20 1:0+25 4:0+5 5:0+2");
  CHECK(spans(trace.requests[2]) == "0:0+10 7:0+1");
  CHECK(trace.requests[1].arrival == TimePoint(1'000'000'000));
  CHECK(trace.requests[2].session == trace.requests[1].session);
}

TEST_CASE("ragpulse rows that are wrong are counted, and the first stops a strict import",
          "[traces][ragpulse]") {
  const Imported trace = import_texts("ragpulse", kSample);
  CHECK(trace.report.first_rejected ==
        std::vector<std::string>{
            "0_trace.jsonl:3: hash_ids.passages_ids: no content has passage_id 3",
            "0_trace.jsonl:4: hash_ids: contents of 10 tokens in a prompt of 9"});
  CHECK(import_texts("ragpulse", kSample, {}, /*strict=*/true).error ==
        trace.report.first_rejected[0]);
  CHECK(import_text("ragpulse", "{\"passage_id\": 1, \"token_length\": 20}").error ==
        "log: no file with requests (0_trace.jsonl) among 1");
  CHECK(import_text("ragpulse", "{\"passages_id\": 1, \"token_length\": 20}").error ==
        "log:1: neither a request (hash_ids) nor a content (sys_prompt_id, passage_id, ...)");
}

TEST_CASE("the ragpulse folder has the requests that are known", "[traces][ragpulse]") {
  const auto path = real_data("traces/ragpulse");
  if (!path) return;
  const Imported trace = import_files("ragpulse", {*path});
  REQUIRE(trace.error == "");
  CHECK(trace.requests.size() == 7'106);
  CHECK(trace.report.rejected == 0);
}

}  // namespace
}  // namespace scsim::test
