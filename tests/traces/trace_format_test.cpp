#include <array>
#include <catch2/catch.hpp>
#include <set>

#include "tests/support/temporary_folder.h"
#include "tests/traces/imported.h"
#include "traces/files.h"
#include "traces/rng.h"

namespace scsim::test {
namespace {

TEST_CASE("every trace format says what it is, where it comes from and what its options do",
          "[traces][import]") {
  std::set<std::string> names;
  for (const TraceFormat& format : trace_format_table()) {
    INFO(format.name);
    CHECK(names.insert(format.name).second);
    CHECK_FALSE(format.sentence.empty());
    CHECK_FALSE(format.source.empty());
    CHECK(format.import);
    std::set<std::string> options;
    for (const ImportOption& option : format.options) {
      INFO(option.name);
      CHECK(options.insert(option.name).second);
      CHECK_FALSE(option.sentence.empty());
    }
  }
  CHECK(names.size() == 11);
}

TEST_CASE("no trace format takes an option it does not have, or an empty file",
          "[traces][import]") {
  for (const TraceFormat& format : trace_format_table()) {
    INFO(format.name);
    CHECK_THAT(import_text(format.name, "x", {{"no_such_option", "1"}}).error,
               Catch::StartsWith("format " + format.name + ": unknown option \"no_such_option\""));
    CHECK(import_text(format.name, "").error != "");
    CHECK(import_text(format.name, "\n\n").error != "");
    CHECK(import_text(format.name, std::string("\0\xFF{[\"", 5)).error != "");
  }
}

// A file of each format that it reads without options.
std::string small_sample(const std::string& format) {
  const std::string lengths = "\"input_length\": 20, \"output_length\": 3";
  if (format == "csv") return "timestamp,input_length,output_length\n1,20,3\n";
  if (format == "azure")
    return "TIMESTAMP,ContextTokens,GeneratedTokens\n2024-01-01 00:00:00,20,3\n";
  if (format == "burstgpt") {
    return "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n1,m,20,3,23,x\n";
  }
  if (format == "openai") {
    return R"({"created": 1, "messages": [{"role": "user", "content": "Hi."}], "response": "Ho."})";
  }
  if (format == "sharegpt") {
    return R"([{"conversations": [{"from": "human", "value": "Hi."}, {"from": "gpt", "value": "Ho."}]}])";
  }
  if (format == "lmcache_agent") {
    return R"({"timestamp": 1, "input": "Hi.", "output": "Ho.", "session_id": "s"})";
  }
  if (format == "bailian") {
    return "{\"chat_id\": 1, \"parent_chat_id\": -1, \"timestamp\": 1, \"turn\": 1, \"type\": "
           "\"x\", \"hash_ids\": [1, 2], " +
           lengths + "}";
  }
  if (format == "ragpulse")
    return "{\"timestamp\": 1, \"session_id\": \"s\", \"hash_ids\": {}, " + lengths + "}";
  if (format == "servegen") return "";
  return "{\"timestamp\": 1, \"hash_ids\": [1], " + lengths + "}";  // mooncake, jsonl
}

constexpr std::array<std::string_view, 20> kDamage = {"",
                                                      "0",
                                                      "9",
                                                      "-",
                                                      "\"",
                                                      "\\",
                                                      ",",
                                                      ":",
                                                      "{",
                                                      "}",
                                                      "[",
                                                      "]",
                                                      "\n",
                                                      "\r\n",
                                                      "null",
                                                      "1e99",
                                                      "99999999999",
                                                      "\xFF",
                                                      std::string_view("\0", 1),
                                                      "\\u0000"};

TEST_CASE("the same log gives the same bytes", "[traces][import]") {
  TemporaryFolder folder, other;
  for (const TraceFormat& format : trace_format_table()) {
    INFO(format.name);
    if (small_sample(format.name).empty()) continue;
    const std::string log = folder.file("log");
    REQUIRE(write_file(log, small_sample(format.name)).has_value());
    const ImportInputs inputs{.paths = {log}, .options = {}, .strict = true};
    for (const std::string& out : {folder.file("a.pb"), other.file("a.pb")}) {
      Expected<ImportReport> report = import_trace(format.name, inputs, out, "a test");
      INFO((report ? "" : report.error().message));
      REQUIRE(report.has_value());
      CHECK(report->requests == 1);
    }
    CHECK(bytes_of(folder.file("a.pb")) == bytes_of(other.file("a.pb")));
  }
}

TEST_CASE("whatever is in a log, an importer writes a trace or says what is wrong",
          "[traces][import]") {
  TemporaryFolder folder;
  const std::string log = folder.file("log");
  for (const TraceFormat& format : trace_format_table()) {
    INFO(format.name);
    const std::string sample = small_sample(format.name) + "\n" + small_sample(format.name);
    for (std::uint64_t number = 0; number < 500; ++number) {
      Rng rng(1, "test.damaged_logs", number);
      std::string damaged = sample;
      for (std::uint64_t left = 1 + rng.below(4); left > 0 && !damaged.empty(); --left) {
        const std::size_t at = rng.below(damaged.size());
        const std::string_view piece = kDamage[rng.below(kDamage.size())];
        damaged.replace(at, rng.below(4), piece);
      }
      overwrite(log, damaged);
      const ImportInputs inputs{.paths = {log}, .options = {}, .strict = rng.chance(0.2)};
      // A device is written directly: no waiting for a disk.
      Expected<ImportReport> report = import_trace(format.name, inputs, "/dev/null", "a test");
      if (report) {
        CHECK(report->requests > 0);
        CHECK(report->rejected == report->first_rejected.size());
      } else {
        CHECK(report.error().message.size() > log.size());
      }
    }
  }
}

TEST_CASE("a log of random times arrives in order, and rows of one instant as in the file",
          "[traces][import]") {
  std::string log = "timestamp,input_length,output_length\n";
  std::uint64_t random = 1;
  for (int i = 0; i < 5'000; ++i) {
    random = random * 6364136223846793005u + 1442695040888963407u;
    log += std::to_string(random >> 58) + "," + std::to_string(i + 1) + ",1\n";
  }
  const Imported trace = import_text("csv", log);
  REQUIRE(trace.requests.size() == 5'000);
  for (std::size_t i = 1; i < trace.requests.size(); ++i) {
    const Request &before = trace.requests[i - 1], &after = trace.requests[i];
    CHECK(*before.arrival <= *after.arrival);
    if (*before.arrival == *after.arrival) CHECK(before.prompt_tokens() < after.prompt_tokens());
  }
}

}  // namespace
}  // namespace scsim::test
