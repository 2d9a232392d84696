#include <catch2/catch.hpp>

#include "tests/oracle/block_replay.h"
#include "tests/traces/imported.h"

namespace scsim::test {
namespace {

// Two chats of two turns each; the second began before the log. The last two rows are out of order.
const std::string kSample =
    R"({"chat_id": 1, "parent_chat_id": -1, "timestamp": 0.25, "input_length": 20, "output_length": 9, "type": "text", "turn": 1, "hash_ids": [7, 8]}
{"chat_id": 2, "parent_chat_id": 900, "timestamp": 1, "input_length": 16, "output_length": 9, "type": "search", "turn": 4, "hash_ids": [9]}
{"chat_id": 3, "parent_chat_id": 1, "timestamp": 2, "input_length": 40, "output_length": 9, "type": "text", "turn": 2, "hash_ids": [7, 10, 11]}
{"chat_id": 4, "parent_chat_id": 5, "timestamp": 4.125, "input_length": 33, "output_length": 9, "type": "text", "turn": 6, "hash_ids": [9, 12, 13]}
{"chat_id": 5, "parent_chat_id": 2, "timestamp": 3, "input_length": 33, "output_length": 9, "type": "text", "turn": 5, "hash_ids": [9, 12, 14]}
)";

TEST_CASE("bailian chats that continue each other are one session", "[traces][bailian]") {
  const Imported trace = import_text("bailian", kSample);
  REQUIRE(trace.error == "");
  REQUIRE(trace.requests.size() == 5);
  const std::vector<Request>& requests = trace.requests;
  CHECK(requests[2].session == requests[0].session);
  CHECK(requests[2].turn == 1);
  CHECK(requests[2].parents == std::vector<RequestId>{RequestId(0)});
  CHECK(requests[1].session != requests[0].session);
  CHECK(requests[1].turn == 3);
  CHECK(requests[1].parents.empty());
  CHECK(requests[1].task == TaskId(1));
  CHECK(trace.tables.tasks == std::vector<std::string>{"text", "search"});
  CHECK_THAT(trace.report.assumptions.back(), Catch::StartsWith("1 requests continue one"));
}

TEST_CASE("rows out of order are sorted by time, and children still find their parents",
          "[traces][bailian]") {
  const Imported trace = import_text("bailian", kSample);
  REQUIRE(trace.requests.size() == 5);
  CHECK(trace.requests[3].arrival == TimePoint(2'750'000'000));
  CHECK(trace.requests[4].arrival == TimePoint(3'875'000'000));
  CHECK(trace.requests[4].session == trace.requests[1].session);
  CHECK(trace.requests[4].parents == std::vector<RequestId>{RequestId(3)});
  CHECK_THAT(trace.header.notes, Catch::Contains("sorted"));
  // Block by block: [7 8] [9] [7 10 11] [9 12 14] [9 12 13]: 7, 9, 9 and 12 are found again.
  BlockReplay replay(Tokens(16));
  for (const Request& request : trace.requests) replay.add(request);
  CHECK(replay.counts().hits == 4);
}

TEST_CASE("times can be kept as they were logged", "[traces][bailian]") {
  const Imported trace = import_text("bailian", kSample, {{"time_zero", "keep"}});
  REQUIRE(trace.requests.size() == 5);
  CHECK(trace.requests[0].arrival == TimePoint(250'000'000));
}

TEST_CASE("bailian rows that are wrong are counted, and the first stops a strict import",
          "[traces][bailian]") {
  const std::string sample = kSample + R"({"chat_id": -3, "timestamp": 9}
{"chat_id": 6, "parent_chat_id": -1, "timestamp": 9, "input_length": 17, "output_length": 9, "type": "text", "turn": 1, "hash_ids": [7]}
{"chat_id": 6, "parent_chat_id": -1, "timestamp": 9, "input_length": 7, "output_length": 9, "type": "text", "turn": 0, "hash_ids": [7]}
)";
  const Imported trace = import_text("bailian", sample);
  CHECK(trace.report.first_rejected ==
        std::vector<std::string>{"log:6: no input_length; the row has chat_id, timestamp",
                                 "log:7: hash_ids: 1 ids for 17 tokens; expected 2 (blocks of 16)",
                                 "log:8: turn: expected at least 1, found 0"});
  CHECK(import_text("bailian", sample, {}, /*strict=*/true).error ==
        trace.report.first_rejected[0]);
}

}  // namespace
}  // namespace scsim::test
