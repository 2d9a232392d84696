#include <catch2/catch.hpp>

#include "tests/oracle/block_replay.h"
#include "tests/support/real_data.h"
#include "tests/traces/imported.h"

namespace scsim::test {
namespace {

// Blocks of 4 tokens. Row 3 has the blocks of row 1 with another one in the middle, row 4 ends in
// the middle of a block, row 5 begins inside of row 1's run.
const std::string kSample =
    R"({"timestamp": 27, "input_length": 12, "output_length": 5, "hash_ids": [10, 11, 12]}
{"timestamp": 27, "input_length": 16, "output_length": 1, "hash_ids": [10, 11, 12, 13]}

{"timestamp": 30, "input_length": 12, "output_length": 7, "hash_ids": [10, 99, 12]}
{"timestamp": 31.5, "input_length": 6, "output_length": 2, "hash_ids": [10, 11]}
{"timestamp": 40, "input_length": 8, "output_length": 2, "hash_ids": [11, 12]}
)";

TEST_CASE("a mooncake trace keeps times, lengths and what prompts have in common",
          "[traces][mooncake]") {
  const Imported trace = import_text("mooncake", kSample, {{"block_tokens", "4"}});
  REQUIRE(trace.error == "");
  REQUIRE(trace.requests.size() == 5);
  CHECK(trace.report.rows == 5);
  CHECK(trace.report.rejected == 0);

  CHECK(spans(trace.requests[0]) == "0:0+12");
  CHECK(spans(trace.requests[1]) == "0:0+12 2:0+4");  // content 1 is the first answer
  CHECK(spans(trace.requests[2]) == "0:0+4 4:0+4 0:8+4");
  CHECK(spans(trace.requests[3]) == "0:0+6");
  CHECK(spans(trace.requests[4]) == "0:4+8");

  CHECK(trace.requests[0].arrival == TimePoint(0));
  CHECK(trace.requests[3].arrival == TimePoint(4'500'000));
  CHECK(trace.requests[2].output_tokens == Tokens(7));
  CHECK(trace.requests[2].session != trace.requests[1].session);
  CHECK(trace.requests[2].max_tokens == Tokens(8));  // of all: 7, rounded up
  CHECK(trace.header.notes.find("an id of hash_ids stands for 4 tokens") != std::string::npos);
}

TEST_CASE("a partial block that returns as a whole one stays the same block",
          "[traces][mooncake]") {
  const Imported trace =
      import_text("mooncake",
                  R"({"timestamp": 0, "input_length": 6, "output_length": 1, "hash_ids": [1, 2]}
{"timestamp": 0, "input_length": 12, "output_length": 1, "hash_ids": [1, 2, 3]}
{"timestamp": 0, "input_length": 12, "output_length": 1, "hash_ids": [5, 5, 5]}
)",
                  {{"block_tokens", "4"}});
  REQUIRE(trace.requests.size() == 3);
  CHECK(spans(trace.requests[0]) == "0:0+6");
  CHECK(spans(trace.requests[1]) == "0:0+8 2:0+4");
  CHECK(spans(trace.requests[2]) == "4:0+4 4:0+4 4:0+4");
}

TEST_CASE("mooncake rows that are wrong are counted, and the first stops a strict import",
          "[traces][mooncake]") {
  const std::string sample =
      R"({"timestamp": 0, "input_length": 4, "output_length": 1, "hash_ids": [1]}
{"timestamp": 1, "input_length": 4, "hash_ids": [1]}
{"timestamp": 2, "input_length": "many", "output_length": 1, "hash_ids": [1]}
{"timestamp": 3, "input_length": -4, "output_length": 1, "hash_ids": [1]}
{"timestamp": 4, "input_length": 9, "output_length": 1, "hash_ids": [1, 2]}
{"timestamp": 5, "input_length": 4, "output_length": 1, "hash_ids": 1}
{"timestamp": 6, "input_length": 4, "output_length": 1, "hash_ids": [-1]}
{"timestamp": 7, "input_length": 4, "output_length": 0, "hash_ids": [1]}
{"timestamp": 8, "input_length": 4, "output_length": 1, "hash_ids": [1]
[1, 2]
{"timestamp": "soon", "input_length": 4, "output_length": 1, "hash_ids": [1]}
{"timestamp": 9, "input_length": 4, "output_length": 1, "hash_idz": [1]}
{"timestamp": 10, "input_length": 4, "output_length": 1, "hash_ids": [1]}
)";
  const Imported trace = import_text("mooncake", sample, {{"block_tokens", "4"}});
  REQUIRE(trace.error == "");
  CHECK(trace.requests.size() == 2);
  CHECK(trace.report.rejected == 11);
  const std::vector<std::string> expected = {
      "log:2: no output_length; did you mean input_length; the row has timestamp, input_length, "
      "hash_ids",
      R"(log:3: input_length: expected a whole number, found "many")",
      R"(log:4: input_length: expected at least 1, found -4)",
      R"(log:5: hash_ids: 2 ids for 9 tokens; expected 3 (blocks of 4))",
      R"(log:6: hash_ids: expected a list of ids, found "1")",
      R"(log:7: hash_ids[0]: expected a whole number of at least 0 or a string, found "-1")",
      R"(log:8: output_length: expected at least 1, found 0)",
      "log:9: not JSON",
      "log:10: expected an object, found a list",
      R"(log:11: timestamp: expected a time)",
  };
  REQUIRE(trace.report.first_rejected.size() == expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    CHECK_THAT(trace.report.first_rejected[i], Catch::StartsWith(expected[i]));
  }

  CHECK(import_text("mooncake", sample, {{"block_tokens", "4"}}, /*strict=*/true).error ==
        expected[0]);
}

TEST_CASE("the mooncake conversation trace shares the blocks that are known",
          "[traces][mooncake]") {
  const auto path = real_data("traces/mooncake/conversation_trace.jsonl.zst");
  if (!path) return;
  const Imported trace = import_files("mooncake", {*path});
  REQUIRE(trace.error == "");
  CHECK(trace.requests.size() == 12'031);
  CHECK(trace.report.rejected == 0);
  BlockReplay replay(Tokens(512));
  for (const Request& request : trace.requests) replay.add(request);
  CHECK(replay.counts().blocks == 288'500);
  CHECK(replay.counts().distinct == 182'790);
  CHECK(replay.counts().hits == 105'710);
}

TEST_CASE("the first thousand of mooncake's arxiv trace share the blocks that are known",
          "[traces][mooncake]") {
  const auto path = real_data("traces/mooncake/arxiv_mooncake_trace_first1000.jsonl.zst");
  if (!path) return;
  const Imported trace = import_files("mooncake", {*path});
  REQUIRE(trace.requests.size() == 1'000);
  BlockReplay replay(Tokens(512));
  for (const Request& request : trace.requests) replay.add(request);
  CHECK(replay.counts().blocks == 19'686);
  CHECK(replay.counts().distinct == 12'207);
  CHECK(replay.counts().hits == 7'479);
}

}  // namespace
}  // namespace scsim::test
