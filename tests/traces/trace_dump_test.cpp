#include "traces/trace_dump.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "tests/support/trace_files.h"
#include "traces/files.h"

namespace scsim::test {
namespace {

std::vector<nlohmann::json> lines_of(const std::string& text) {
  std::vector<nlohmann::json> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(nlohmann::json::parse(line));
  return lines;
}

void write_sample(const std::string& path) {
  Expected<TraceWriter> writer = TraceWriter::create(path, TraceHeader{});
  REQUIRE(writer.has_value());
  writer->add_tenant("a \"quoted\" name");
  const ContentId document = writer->add_content(Tokens(900)),
                  question = writer->add_content(Tokens(5)),
                  answer = writer->add_content(Tokens(7));
  writer->add_text(question, "user", "why\nnot?");
  Request request = open_request(TimePoint(1'000'000'001), {{document, Tokens(0), Tokens(900)}});
  request.session = SessionId(4);
  writer->add(request);
  request.parents = {RequestId(0)};
  request.arrival.reset();
  request.think = Duration(5);
  request.earliest = TimePoint(1'000'000'006);
  request.prompt.push_back({question, Tokens(2), Tokens(3)});
  request.turn = 1;
  request.output = answer;
  request.output_tokens = Tokens(7);
  request.max_tokens = Tokens(16);
  request.priority = -2;
  request.cancel_after = Duration(77);
  writer->add(request);
  REQUIRE(writer->finish().has_value());
}

TEST_CASE("a dump is one JSON object per request", "[traces][dump]") {
  TemporaryFolder folder;
  write_sample(folder.file("t.pb"));
  const Expected<std::uint64_t> requests = dump_trace(folder.file("t.pb"), folder.file("t.jsonl"));
  REQUIRE(requests.has_value());
  CHECK(*requests == 2);
  const std::vector<nlohmann::json> lines = lines_of(bytes_of(folder.file("t.jsonl")));
  REQUIRE(lines.size() == 2);
  CHECK(lines[0] == nlohmann::json::parse(R"({"request": 0, "tenant": "a \"quoted\" name",
    "session": 4, "turn": 0, "parents": [], "arrival_ns": 1000000001, "model": "default",
    "prompt": [[0, 0, 900]], "prompt_tokens": 900, "output_tokens": 1, "max_tokens": 1,
    "task": "default", "slo": "default", "priority": 0})"));
  CHECK(lines[1] == nlohmann::json::parse(R"({"request": 1, "tenant": "a \"quoted\" name",
    "session": 4, "turn": 1, "parents": [0], "think_ns": 5, "earliest_ns": 1000000006,
    "model": "default", "prompt": [[0, 0, 900], [1, 2, 3]], "prompt_tokens": 903,
    "output_content": 2, "output_tokens": 7, "max_tokens": 16, "task": "default",
    "slo": "default", "priority": -2, "cancel_after_ns": 77})"));
}

TEST_CASE("a dump with contents gives lengths and texts before the requests", "[traces][dump]") {
  TemporaryFolder folder;
  write_sample(folder.file("t.pb"));
  REQUIRE(dump_trace(folder.file("t.pb"), folder.file("t.jsonl"), {.contents = true}).has_value());
  const std::vector<nlohmann::json> lines = lines_of(bytes_of(folder.file("t.jsonl")));
  REQUIRE(lines.size() == 6);
  CHECK(lines[0] == nlohmann::json{{"content", 0}, {"tokens", 900}});
  CHECK(lines[3] == nlohmann::json{{"content", 1}, {"role", "user"}, {"text", "why\nnot?"}});
  CHECK(lines[4]["request"] == 0);
}

TEST_CASE("a dump of a file that is not a trace leaves nothing behind", "[traces][dump]") {
  TemporaryFolder folder;
  REQUIRE(write_file(folder.file("t.pb"), "no trace at all").has_value());
  CHECK(!dump_trace(folder.file("t.pb"), folder.file("t.jsonl")).has_value());
  CHECK(!read_file(folder.file("t.jsonl")).has_value());
}

}  // namespace
}  // namespace scsim::test
