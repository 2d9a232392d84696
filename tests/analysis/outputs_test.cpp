#include "analysis/outputs.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>

#include "analysis/json_report.h"
#include "analysis/perfetto_trace.h"
#include "analysis/requests_csv.h"
#include "tests/analysis/sample_result.h"
#include "tests/support/temporary_folder.h"
#include "traces/files.h"
#include "traces/text.h"

namespace scsim::analysis {
namespace {

using nlohmann::json;

}  // namespace

TEST_CASE("summary.json parses and says what the summary says", "[analysis]") {
  const Result result = sample_result({});
  const Summary summary = summarise(result, {});
  const json read = json::parse(json_report(result, summary));
  CHECK(read["format"] == "scsim.summary");
  CHECK(read["all"]["ttft"]["p99"]["value"] == summary.all.ttft.p99.value);
  CHECK(read["all"]["ttft"]["mean"]["interval"]["batches"] ==
        summary.all.ttft.mean.interval->batches);
  CHECK(read["all"]["itl"]["p99"]["interval"].is_null());
  CHECK(read["slo"]["met"] == *summary.slo_met());
  CHECK(read["tenants"].size() == 3);
  CHECK(read["tenants"][1]["name"] == "<script>alert(\"1\")</script>");
  CHECK(read["honesty"].size() == summary.honesty.size());
  CHECK(read["run"]["cluster"] == result.cluster_text);
  CHECK_NOTHROW(json::parse(json_report(Result(), summarise(Result(), {}))));
}

TEST_CASE("text that is not UTF-8 still makes valid JSON", "[analysis]") {
  Result result = sample_result({.requests = 10});
  result.tables.tenants[0].name = "caf\xE9";
  CHECK_NOTHROW(json::parse(json_report(result, summarise(result, {}))));
}

TEST_CASE("requests.csv has a row a request and quotes what needs it", "[analysis]") {
  const test::TemporaryFolder folder;
  Result result = sample_result({.requests = 50});
  result.requests[7] = RequestResult();
  result.requests[7].request = 7;
  result.requests[7].outcome = Outcome::kRefused;
  REQUIRE(write_requests_csv(result, folder.file("r.csv")));
  const std::vector<std::string> lines = split(*read_file(folder.file("r.csv")), '\n');
  REQUIRE(lines.size() == 52);  // a header, and nothing behind the last newline
  CHECK(lines[0].starts_with("request,tenant,session,turn,slo_class,"));
  const std::size_t columns = split(lines[0], ',').size();
  for (std::size_t i = 0; i < result.requests.size(); ++i) {
    std::string line = lines[i + 1];
    const std::string quoted = "\"acme, inc.\"";
    const std::size_t found = line.find(quoted);
    CHECK((found != std::string::npos) == (result.requests[i].tenant == 0));
    if (found != std::string::npos) line.replace(found, quoted.size(), "acme");
    CHECK(split(line, ',').size() == columns);
  }
  CHECK(lines[8].find(",refused,") != std::string::npos);
  CHECK(lines[8].find(",,,") != std::string::npos);  // it was never scheduled
}

TEST_CASE("trace.json parses, and its spans of one lane never overlap", "[analysis]") {
  const test::TemporaryFolder folder;
  const Result result = sample_result({.requests = 400, .per_second = 9});
  const Expected<std::string> note = write_perfetto_trace(result, folder.file("t.json"));
  REQUIRE(note);
  CHECK(note->empty());
  const json read = json::parse(*read_file(folder.file("t.json")));
  std::map<std::pair<int, int>, double> lane_ends;
  std::size_t requests = 0, inner = 0;
  for (const json& event : read["traceEvents"]) {
    if (event["ph"] != "X") continue;
    if (!event.contains("args")) {
      ++inner;
      continue;
    }
    ++requests;
    const double begin = event["ts"], end = begin + event["dur"].get<double>();
    double& free = lane_ends[{event["pid"], event["tid"]}];
    CHECK(begin >= free - 0.01);
    free = end;
  }
  CHECK(requests == 400);
  std::size_t queued = 0, decoded = 0;
  for (const RequestResult& r : result.requests) {
    queued += r.scheduled > r.arrival ? 1 : 0;
    decoded += r.end > r.first_token ? 1 : 0;
  }
  CHECK(inner == queued + 400 + decoded);
}

TEST_CASE("a trace.json that leaves requests out says so", "[analysis]") {
  const test::TemporaryFolder folder;
  const Expected<std::string> note =
      write_perfetto_trace(sample_result({.requests = 100}), folder.file("t.json"), 30);
  REQUIRE(note);
  CHECK(note->find("the first 30 of 100 requests") != std::string::npos);
  const json read = json::parse(*read_file(folder.file("t.json")));
  CHECK(read["otherData"]["requests"] == *note);
}

TEST_CASE("all files are written, whole, and the same bytes again", "[analysis]") {
  const test::TemporaryFolder folder;
  const Result result = sample_result({.requests = 300});
  const Summary summary = summarise(result, {});
  const Expected<WrittenFiles> once = write_outputs(result, summary, folder.file("new/once"));
  const Expected<WrittenFiles> again =
      write_outputs(sample_result({.requests = 300}), summarise(result, {}), folder.file("again"));
  REQUIRE(once);
  REQUIRE(again);
  REQUIRE(once->paths.size() == 5);
  for (std::size_t i = 0; i < 5; ++i) {
    INFO(once->paths[i]);
    CHECK(*read_file(once->paths[i]) == *read_file(again->paths[i]));
  }
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder.file("again"))) {
    CHECK(entry.path().extension() != ".partial");
    ++files;
  }
  CHECK(files == 5);
  const Expected<Result> read = read_result(once->paths[0]);
  REQUIRE(read);
  CHECK(json_report(*read, summarise(*read, {})) == *read_file(once->paths[2]));
}

TEST_CASE("a folder that cannot be made is one message", "[analysis]") {
  const test::TemporaryFolder folder;
  REQUIRE(write_file(folder.file("file"), "x"));
  const Result result = sample_result({.requests = 10});
  const Summary summary = summarise(result, {});
  const Expected<WrittenFiles> below = write_outputs(result, summary, folder.file("file/below"));
  REQUIRE_FALSE(below);
  CHECK(below.error().message.find("cannot make this directory") != std::string::npos);
  CHECK_FALSE(write_outputs(result, summary, folder.file("file")));
}

}  // namespace scsim::analysis
