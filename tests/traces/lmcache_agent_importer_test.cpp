#include <catch2/catch.hpp>
#include <set>

#include "tests/support/real_data.h"
#include "tests/traces/imported.h"

namespace scsim::test {
namespace {

std::string row(const std::string& time, const std::string& input, const std::string& session) {
  return "{\"timestamp\": " + time + ", \"input\": \"" + input +
         "\", \"output\": \"look around\", \"session_id\": \"" + session + "\"}\n";
}

// Prompts of 320, 400 and 240 characters; b begins as a does.
const std::string kSample = row("\"1000000\"", std::string(320, 'x'), "a") +
                            row("\"3000000\"", std::string(320, 'x') + std::string(80, 'y'), "a") +
                            row("\"2000000\"", std::string(160, 'x') + std::string(80, 'z'), "b") +
                            row("4500000", std::string(320, 'x'), "a");

TEST_CASE("an agent's prompts share what they have in common at their beginning",
          "[traces][lmcache_agent]") {
  const Imported trace = import_text("lmcache_agent", kSample);
  REQUIRE(trace.error == "");
  REQUIRE(trace.requests.size() == 4);
  CHECK(spans(trace.requests[0]) == "0:0+80");
  CHECK(spans(trace.requests[1]) == "0:0+40 2:0+20");  // b, sorted by time
  CHECK(spans(trace.requests[2]) == "0:0+80 3:0+20");
  CHECK(spans(trace.requests[3]) == "0:0+80");
  CHECK(trace.requests[1].arrival == TimePoint(1'000'000'000));
  CHECK(trace.requests[3].session == trace.requests[0].session);
  CHECK(trace.requests[3].turn == 2);
  CHECK(trace.requests[0].output_tokens == Tokens(3));
}

TEST_CASE("lmcache_agent rows that are wrong are counted, and the first stops a strict import",
          "[traces][lmcache_agent]") {
  const std::string log = kSample + row("5", "", "a") +
                          "{\"timestamp\": 5, \"input\": \"x\", \"session_id\": \"a\"}\n" +
                          row("\"now\"", "x", "a");
  const Imported trace = import_text("lmcache_agent", log);
  REQUIRE(trace.report.first_rejected.size() == 3);
  CHECK(trace.report.first_rejected[0] ==
        "log:5: tokens of the prompt: expected at least 1, found 0");
  CHECK_THAT(trace.report.first_rejected[1], Catch::StartsWith("log:6: no output;"));
  CHECK_THAT(trace.report.first_rejected[2],
             Catch::StartsWith("log:7: timestamp: expected a time"));
  CHECK(import_text("lmcache_agent", log, {}, /*strict=*/true).error ==
        trace.report.first_rejected[0]);
}

TEST_CASE("the mini-swe trace has the requests and sessions that are known",
          "[traces][lmcache_agent]") {
  const auto path = real_data("traces/lmcache_agent/miniswe_20_sessions.jsonl.zst");
  if (!path) return;
  const Imported trace = import_files("lmcache_agent", {*path});
  REQUIRE(trace.error == "");
  CHECK(trace.requests.size() == 402);
  std::set<std::uint64_t> sessions;
  for (const Request& request : trace.requests) sessions.insert(request.session.value());
  CHECK(sessions.size() == 20);
}

}  // namespace
}  // namespace scsim::test
