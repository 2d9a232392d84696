#include <catch2/catch.hpp>

#include "tests/oracle/block_replay.h"
#include "tests/traces/imported.h"

namespace scsim::test {
namespace {

const std::string kSample =
    "\xEF\xBB\xBFwhen;who;chat;\"in\";out;limit;\"kind of work\";class;urgency;blocks;engine\r\n"
    "1.5;ann;a;8;2;100;chat;fast;0;1 2;m1\r\n"
    "2.25;\"bob; \"\"the\"\" builder\";b;6;2;;;;;[1, 3];m2\r\n"
    "3;ann;a;12;3;100;chat;fast;-1;1,2,4;m1\r\n"
    ";ann;a;12;3;100;chat;fast;-1;1,2,4;m1\r\n"
    "4;ann;a;12;3;100;chat;fast;-1;1,2;m1\r\n"
    "5;ann;a;twelve;3;100;chat;fast;-1;1,2,4;m1\r\n"
    "6;ann;a\r\n"
    "7;ann;\"a\nz\";4;3;2;chat;fast;2;x;m1\r\n";

const Options kColumns = {
    {"time", "when"},         {"tenant", "who"},        {"session", "chat"},
    {"prompt_tokens", "in"},  {"output_tokens", "out"}, {"max_tokens", "limit"},
    {"task", "kind of work"}, {"slo", "class"},         {"priority", "urgency"},
    {"blocks", "blocks"},     {"block_tokens", "4"},    {"model", "engine"}};

TEST_CASE("a csv log is read by the names of its columns", "[traces][csv]") {
  const Imported trace = import_text("csv", kSample, kColumns);
  REQUIRE(trace.error == "");
  REQUIRE(trace.requests.size() == 4);
  const std::vector<Request>& requests = trace.requests;
  CHECK(requests[1].arrival == TimePoint(750'000'000));
  CHECK(requests[1].prompt_tokens() == Tokens(6));
  CHECK(spans(requests[1]) == "0:0+4 2:0+2");
  CHECK(spans(requests[2]) == "0:0+8 4:0+4");
  CHECK(requests[2].session == requests[0].session);
  CHECK(requests[2].turn == 1);
  CHECK(requests[2].priority == -1);
  CHECK(requests[2].max_tokens == Tokens(100));
  CHECK(requests[1].max_tokens == Tokens(4));  // not said: the longest answer, 3, rounded up
  CHECK(requests[3].max_tokens == Tokens(3));  // the answer was longer than the column says
  REQUIRE(trace.tables.tenants.size() == 2);
  CHECK(trace.tables.tenants[1].name == "bob; \"the\" builder");
  CHECK(trace.tables.models == std::vector<std::string>{"m1", "m2"});
  CHECK(trace.tables.tasks == std::vector<std::string>{"chat", "default"});
  CHECK(trace.tables.slos[requests[0].slo.value()].name == "fast");
  CHECK(trace.tables.slos[requests[1].slo.value()].name == "default");
}

TEST_CASE("csv rows that are wrong are counted by the line they begin at", "[traces][csv]") {
  const Imported trace = import_text("csv", kSample, kColumns);
  CHECK(trace.report.rows == 8);
  CHECK(trace.report.first_rejected ==
        std::vector<std::string>{"log:5: when: empty",
                                 "log:6: blocks: 2 ids for 12 tokens; expected 3 (blocks of 4)",
                                 "log:7: in: expected a whole number, found \"twelve\"",
                                 "log:8: 3 fields; expected 11"});
  CHECK(import_text("csv", kSample, kColumns, /*strict=*/true).error == "log:5: when: empty");
}

TEST_CASE("a column that is not there is named with the nearest that is", "[traces][csv]") {
  Options misspelt = kColumns;
  misspelt["tenant"] = "whom";
  CHECK_THAT(import_text("csv", kSample, misspelt).error,
             Catch::StartsWith("log:1: unknown column \"whom\"; did you mean \"who\"?") &&
                 Catch::EndsWith("the option `tenant` names it"));
  CHECK_THAT(import_text("csv", kSample).error,
             Catch::StartsWith("log:1: unknown column \"timestamp\""));
}

TEST_CASE("an option that is not there is named with the nearest that is", "[traces][csv]") {
  CHECK_THAT(import_text("csv", kSample, {{"tenent", "who"}}).error,
             Catch::StartsWith("format csv: unknown option \"tenent\"; did you mean \"tenant\"?"));
  CHECK_THAT(import_text("csv", kSample, {{"block_tokens", "0"}}).error,
             Catch::Contains("block_tokens"));
  CHECK_THAT(import_text("csv", kSample, {{"time_unit", "min"}}).error,
             Catch::Contains("time_unit"));
  CHECK_THAT(import_text("cvs", kSample).error,
             Catch::StartsWith("unknown trace format \"cvs\"; did you mean \"csv\"?"));
}

TEST_CASE("a mapping that leaves out what a request needs is refused", "[traces][csv]") {
  CHECK(import_text("csv", kSample, {{"time", ""}}).error == "`time` names nothing");
  CHECK_THAT(import_text("csv", kSample, {{"prompt_tokens", ""}}).error,
             Catch::StartsWith("none of `prompt_tokens`"));
  CHECK_THAT(import_text("csv", kSample, {{"output_tokens", ""}}).error,
             Catch::StartsWith("neither `output_tokens`"));
  CHECK_THAT(import_text("csv", kSample, {{"text", "who"}, {"blocks", "blocks"}}).error,
             Catch::StartsWith("both `text` and `blocks`"));
}

TEST_CASE("sessions of the same name are one session within a tenant only", "[traces][csv]") {
  const Imported trace = import_text("csv",
                                     "timestamp,input_length,output_length,t,s\n1,1,1,a,1\n2,1,1,b,"
                                     "1\n3,1,1,a,1\n",
                                     {{"tenant", "t"}, {"session", "s"}});
  REQUIRE(trace.requests.size() == 3);
  CHECK(trace.requests[1].session != trace.requests[0].session);
  CHECK(trace.requests[2].session == trace.requests[0].session);
}

TEST_CASE("csv without a header numbers its columns", "[traces][csv]") {
  const Imported trace = import_text("csv", "1000,10,5\n3500,20,6\n",
                                     {{"header", "false"},
                                      {"time", "1"},
                                      {"time_unit", "ms"},
                                      {"prompt_tokens", "2"},
                                      {"output_tokens", "3"}});
  REQUIRE(trace.requests.size() == 2);
  CHECK(trace.requests[1].arrival == TimePoint(2'500'000'000));
  CHECK(trace.requests[1].prompt_tokens() == Tokens(20));
}

TEST_CASE("prompts given as text share how they begin", "[traces][csv]") {
  const std::string context(640, 'x');  // 20 pieces of 32 bytes
  const std::string log = "timestamp,question,answer\n0,\"" + context +
                          "What, then?\",Nothing.\n1,\"" + context +
                          "Who?\",\"Nobody, of course.\"\n2,\"" + context + "What, then?\",\n";
  const Imported trace = import_text("csv", log, {{"text", "question"}, {"output_text", "answer"}});
  REQUIRE(trace.error == "");
  REQUIRE(trace.requests.size() == 2);  // the third has no answer
  // 651 characters are 163 tokens at 4 a token, 640 of them 160.
  CHECK(spans(trace.requests[0]) == "0:0+163");
  CHECK(trace.requests[1].prompt[0] == Span{ContentId(0), Tokens(0), Tokens(160)});
  CHECK(trace.requests[1].prompt_tokens() == Tokens(161));
  CHECK(trace.requests[1].output_tokens == Tokens(5));
  CHECK(trace.text(ContentId(0)) == context + "What, then?");
  CHECK(trace.text(trace.requests[1].output) == "Nobody, of course.");
  CHECK_THAT(trace.header.notes, Catch::Contains("4 characters per token"));
  CHECK(import_text("csv", log,
                    {{"text", "question"}, {"output_text", "answer"}, {"keep_text", "false"}})
            .texts.empty());
}

TEST_CASE("where both text and length are logged the length is kept exactly", "[traces][csv]") {
  const std::string context(640, 'x');
  const Imported trace =
      import_text("csv",
                  "timestamp,t,input_length,output_length\n0," + context + "a,200,1\n1," + context +
                      "b,203,1\n2," + context + "b,150,1\n",
                  {{"text", "t"}, {"prompt_tokens", "input_length"}});
  REQUIRE(trace.requests.size() == 3);
  CHECK(trace.requests[0].prompt_tokens() == Tokens(200));
  CHECK(trace.requests[1].prompt_tokens() == Tokens(203));
  CHECK(trace.requests[2].prompt_tokens() == Tokens(150));
  // 640 of 641 characters are 199 of 200 tokens, rounded down.
  CHECK(trace.requests[1].prompt[0] == Span{ContentId(0), Tokens(0), Tokens(199)});
}

}  // namespace
}  // namespace scsim::test
