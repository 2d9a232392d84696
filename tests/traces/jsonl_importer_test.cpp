#include <catch2/catch.hpp>

#include "tests/traces/imported.h"

namespace scsim::test {
namespace {

const std::string kSample =
    R"({"at": "2026-01-31T23:59:59.5Z", "user": {"name": "ann"}, "n": {"in": 8, "out": 2}, "ids": ["k1", "k2"]}
{"at": "2026-02-01T00:00:00Z", "user": {"name": "bob"}, "n": {"in": "8", "out": 2.0}, "ids": ["k1", "k3"]}
{"at": "2026-02-01T02:00:01+02:00", "n": {"in": 4, "out": 2, "more": null}, "ids": ["k3"]}
{"at": 17, "n": {"in": 4.5, "out": 2}, "ids": ["k3"]}
{"at": [17], "n": {"in": 4, "out": 2}, "ids": ["k3"]}
{"n": {"in": 4, "out": 2}, "ids": ["k3"]}
)";

const Options kFields = {{"time", "at"},
                         {"tenant", "user.name"},
                         {"prompt_tokens", "n.in"},
                         {"output_tokens", "n.out"},
                         {"blocks", "ids"},
                         {"block_tokens", "4"}};

TEST_CASE("a jsonl log is read by the paths of its fields", "[traces][jsonl]") {
  const Imported trace = import_text("jsonl", kSample, kFields);
  REQUIRE(trace.error == "");
  REQUIRE(trace.requests.size() == 3);
  CHECK(trace.requests[1].arrival == TimePoint(500'000'000));
  CHECK(trace.requests[2].arrival == TimePoint(1'500'000'000));
  CHECK(spans(trace.requests[1]) == "0:0+4 2:0+4");
  CHECK(spans(trace.requests[2]) == "2:0+4");
  CHECK(trace.tables.tenants[0].name == "ann");
  CHECK(trace.tables.tenants[trace.requests[2].tenant.value()].name == "default");
}

TEST_CASE("jsonl rows that are wrong are counted, and the first stops a strict import",
          "[traces][jsonl]") {
  const Imported trace = import_text("jsonl", kSample, kFields);
  CHECK(trace.report.first_rejected ==
        std::vector<std::string>{"log:4: n.in: expected a whole number, found \"4.5\"",
                                 "log:5: at: expected a string or a number, found a list",
                                 "log:6: no at; the row has n, ids"});
  CHECK(import_text("jsonl", kSample, kFields, /*strict=*/true).error ==
        trace.report.first_rejected[0]);
}

TEST_CASE("a field that no row has is named with the nearest that is there", "[traces][jsonl]") {
  Options misspelt = kFields;
  misspelt["session"] = "usr";
  CHECK_THAT(import_text("jsonl", kSample, misspelt).error,
             Catch::StartsWith("log: no row has what the option `session` names: unknown field "
                               "\"usr\"; did you mean \"user\"?"));
  misspelt = kFields;
  misspelt["time"] = "att";
  CHECK(
      import_text("jsonl", kSample, misspelt).error ==
      "log: no request among 6 rows; log:1: no att; did you mean at; the row has at, user, n, ids");
}

TEST_CASE("a json array is a log too, on as many lines as it likes", "[traces][jsonl]") {
  const std::string array = R"(
 [ {"timestamp": 1,
    "input_length": 3, "output_length": 1, "note": "a ] in , a \" string\\"}, {"timestamp": 2, "input_length": 0,
    "output_length": 1}
 ,
 {"timestamp": 3, "input_length": 5, "output_length": 1, "list": [1, [2]]}])";
  const Imported trace = import_text("jsonl", array);
  REQUIRE(trace.error == "");
  REQUIRE(trace.requests.size() == 2);
  CHECK(trace.requests[1].prompt_tokens() == Tokens(5));
  CHECK(trace.report.first_rejected ==
        std::vector<std::string>{"log:3: input_length: expected at least 1, found 0"});
  CHECK(import_text("jsonl", "[{\"timestamp\": 1}").error ==
        "log:1: the list of rows is never closed");
  CHECK(import_text("jsonl", "[{\"timestamp\": 1}]\n\n{\"timestamp\": 2}").error ==
        "log:3: something follows the end of the list of rows");
  CHECK_THAT(import_text("jsonl", "[}, {}]").error,
             Catch::StartsWith("log: no request among 2 rows; log:1: not JSON"));
}

TEST_CASE("several files are one log, in order of time", "[traces][jsonl]") {
  const Imported trace = import_texts(
      "jsonl", {{"a", "{\"timestamp\": 5, \"input_length\": 1, \"output_length\": 1}\n"},
                {"b", "{\"timestamp\": 4, \"input_length\": 2, \"output_length\": 1}\n"}});
  REQUIRE(trace.requests.size() == 2);
  CHECK(trace.requests[0].prompt_tokens() == Tokens(2));
  CHECK_THAT(trace.header.notes, Catch::Contains("sorted by it"));
}

TEST_CASE("a log that is not there, or no file, is refused", "[traces][jsonl]") {
  CHECK(import_files("jsonl", {"/nowhere/log"}).error == "/nowhere/log: no such file");
  CHECK(import_files("jsonl", {}).error == "format jsonl: no input file");
  CHECK_THAT(import_files("jsonl", {"/dev/null"}).error,
             Catch::StartsWith("/dev/null: not a file"));
}

}  // namespace
}  // namespace scsim::test
