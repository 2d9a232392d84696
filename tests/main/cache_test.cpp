// `scsim cache` as a user types it.
#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "tests/main/session.h"

using namespace scsim::test;
using Catch::Contains;
using Json = nlohmann::json;

namespace {

// Three prompts of two documents and a repetition, in blocks of 4: found by hand below.
constexpr char kLog[] =
    R"({"timestamp": 0, "input_length": 10, "output_length": 1, "hash_ids": [1, 2, 3]}
{"timestamp": 1000, "input_length": 8, "output_length": 1, "hash_ids": [1, 4]}
{"timestamp": 2000, "input_length": 10, "output_length": 1, "hash_ids": [1, 2, 3]}
{"timestamp": 3000, "input_length": 6, "output_length": 1, "hash_ids": [5, 6]}
{"timestamp": 4000, "input_length": 8, "output_length": 1, "hash_ids": [1, 4]}
)";

class CacheSession : public Session {
 public:
  CacheSession() {
    write_text(path("log.jsonl"), kLog);
    const Ran ran = scsim("trace import --from mooncake log.jsonl -o log.pb --set block_tokens=4");
    if (ran.exit_code != 0) FAIL(ran.err);
  }
};

std::string on_one_line(std::string text) {
  std::ranges::replace(text, '\n', ' ');
  return text;
}

}  // namespace

// Blocks asked for: 3 + 2 + 3 + 2 + 2 = 12; tokens: 10 + 8 + 10 + 6 + 8 = 42. Unlimited: the second
// finds block 1; the third all three, with 10 tokens; the fifth both: 6 blocks, 4 + 10 + 8 tokens.
// By recency, the shallowest of a request first, there are 1 2 3 after the first request; 1 4 2 3
// after the second, 1 2 3 4 after the third, 5 6 1 2 3 4 after the fourth. So blocks are found at
// places 1; 1 3 4; 3 6: with room for four, all but the last.
TEST_CASE("cache prints the counts as JSON, with exactly these keys first", "[main][cache]") {
  const CacheSession session;
  const Ran ran =
      session.scsim("cache log.pb --block-tokens 4 --capacity-blocks 4,unlimited --json");
  INFO(ran.err);
  CHECK(ran.exit_code == 0);
  CHECK(ran.err.empty());
  const Json json = Json::parse(ran.out);
  CHECK(json["trace"] == "log.pb");
  CHECK(json["block_tokens"] == 4);
  REQUIRE(json["results"].size() == 2);
  const Json& four = json["results"][0];
  CHECK(four["policy"] == "lru");
  CHECK(four["capacity_blocks"] == 4);
  CHECK(four["hit_blocks"] == 5);
  CHECK(four["total_blocks"] == 12);
  CHECK(four["hit_tokens"] == 18);
  CHECK(four["total_tokens"] == 42);
  const Json& all = json["results"][1];
  CHECK(all["capacity_blocks"] == 6);
  CHECK(all["hit_blocks"] == 6);
  CHECK(all["hit_tokens"] == 22);
  CHECK(json["unique_blocks"] == 6);

  // Without the partly filled blocks: 2 + 2 + 2 + 1 + 2 blocks, of which 1 + 2 + 0 + 2 are found.
  const Json without = Json::parse(
      session.scsim("cache log.pb --block-tokens 4 --capacity-blocks 9 --tail out --json").out);
  CHECK(without["results"][0]["hit_blocks"] == 5);
  CHECK(without["results"][0]["total_blocks"] == 9);
  CHECK(without["results"][0]["hit_tokens"] == 20);
  CHECK(without["results"][0]["total_tokens"] == 42);
}

TEST_CASE("cache defines every ratio it prints and marks oracles", "[main][cache]") {
  const CacheSession session;
  const Ran ran = session.scsim(
      "cache log.pb --block-tokens 4 --policy fifo,belady --capacity-blocks 4 --threads 2");
  INFO(ran.err);
  CHECK(ran.exit_code == 0);
  for (const char* text : {"block hit ratio: ", "token hit ratio: ", "ideal: ", "gap closed: ",
                           "belady (oracle)", "100.0 %", "4 tokens", "counts as one"}) {
    CHECK_THAT(on_one_line(ran.out), Contains(text));
  }
  CHECK_THAT(on_one_line(session.scsim("cache log.pb --tail out").out), Contains("does not count"));
  CHECK_THAT(on_one_line(session.scsim("cache log.pb --evict flat").out),
             Contains("when its turn comes"));
  CHECK_THAT(on_one_line(session.scsim("cache log.pb --outputs").out),
             Contains("answers are kept"));
  CHECK_THAT(on_one_line(session.scsim("cache log.pb --isolate-tenants").out),
             Contains("tenants share nothing"));
  CHECK(session.scsim("cache log.pb -q").out.empty());
}

TEST_CASE("what is wrong with cache's arguments is named", "[main][cache]") {
  const CacheSession session;
  const auto [typed, answer] = GENERATE(table<std::string, std::string>({
      {"cache", "TRACE is missing"},
      {"cahce log.pb", "unknown command \"cahce\"; did you mean \"cache\"?"},
      {"cache log.pb --policy lur", "unknown eviction policy \"lur\"; did you mean \"lru\"?"},
      {"cache log.pb --policy lru,lru", "lru is there twice"},
      {"cache log.pb --capacity-blocks 0", "--capacity-blocks: \"0\": expected numbers of blocks"},
      {"cache log.pb --capacity-blocks=-5", "--capacity-blocks: \"-5\""},
      {"cache log.pb --capacity-blocks 10,x", "--capacity-blocks: \"x\""},
      {"cache log.pb --capacity-blocks 1e9", "--capacity-blocks: \"1e9\""},
      {"cache log.pb --capacity-blocks 99999999999999999999", "--capacity-blocks: "},
      {"cache log.pb --capacity 64GiB", "--capacity: needs --model"},
      {"cache log.pb --capacity 64QB --model llama-3.1-8b", "--capacity: "},
      {"cache log.pb --capacity 1B --model llama-3.1-8b", "expected one block, 64 MiB, or more"},
      {"cache log.pb --model lama-3.1-8b", "did you mean \"llama-3.1-8b\"?"},
      {"cache log.pb --gpu h20", "unknown"},
      {"cache log.pb --block-tokens 0", "--block-tokens: expected 1 or more"},
      {"cache log.pb --threads 0", "--threads: expected 1 or more"},
      {"cache log.pb --evict falt", "did you mean \"flat\"?"},
      {"cache log.pb --tail on", "\"on\""},
  }));
  INFO(typed);
  check_refused(session.scsim(typed), 2, answer);
}

TEST_CASE("a trace that cache cannot read is named, and no file is left", "[main][cache]") {
  const CacheSession session;
  const std::string trace = content_of(session.path("small.pb"));
  write_text(session.path("cut.pb"), trace.substr(0, trace.size() / 2));
  for (const char* typed : {"cache cut.pb --curve made --out made_too", "cache none.pb --out made",
                            "cache recipe.yaml --curve made", "cache log.pb --out log.pb/x",
                            "cache log.pb --curve nowhere/made"}) {
    INFO(typed);
    const Ran ran = session.scsim(typed);
    check_refused(ran, 1, "");
    CHECK_FALSE(std::filesystem::exists(session.path("made")));
    CHECK_FALSE(std::filesystem::exists(session.path("made_too")));
  }
}

TEST_CASE("cache takes sizes of a model's KV", "[main][cache]") {
  const CacheSession session;
  // Llama-3.1-8B: 2 * 32 layers * 8 heads * 128 * 2 bytes = 128 KiB a token, 64 MiB for 512.
  const Json json = Json::parse(
      session.scsim("cache small.pb --capacity 1GiB,100MiB --model llama-3.1-8b --json").out);
  CHECK(json["results"][0]["capacity_blocks"] == 16);
  CHECK(json["results"][1]["capacity_blocks"] == 1);
}

TEST_CASE("cache writes its files, the same ones with more threads", "[main][cache]") {
  const CacheSession session;
  const Ran ran = session.bash(
      "scsim cache log.pb --block-tokens 4 --policy all --threads 1 --out a --curve a.csv && "
      "scsim cache log.pb --block-tokens 4 --policy all --threads 5 --out b --curve b.csv > b.txt "
      "&& diff -r a b && cmp a.csv b.csv && cmp a.csv a/curve.csv");
  INFO(ran.err);
  CHECK(ran.exit_code == 0);
  CHECK_THAT(ran.out, Contains("wrote a.csv\n"));
  CHECK_THAT(ran.out, Contains("wrote a/cache.json\n"));
  CHECK(content_of(session.path("a.csv")) ==
        "capacity_blocks,hit_blocks,hit_ratio,hit_tokens,token_hit_ratio\n"
        "1,2,0.16666666666666666,8,0.19047619047619047\n"
        "2,2,0.16666666666666666,8,0.19047619047619047\n"
        "3,4,0.3333333333333333,16,0.38095238095238093\n"
        "4,5,0.4166666666666667,18,0.42857142857142855\n"
        "5,5,0.4166666666666667,18,0.42857142857142855\n"
        "6,6,0.5,22,0.5238095238095238\n");
  session.scsim("cache log.pb --block-tokens 4 --capacity-blocks 6 --all-points --curve s.csv");
  const std::string steps = content_of(session.path("s.csv"));
  CHECK(std::count(steps.begin(), steps.end(), '\n') == 1 + 4);  // 1, 3, 4 and 6
}

TEST_CASE("help and completion know the eviction policies", "[main][cache]") {
  const CacheSession session;
  const Ran help = session.scsim("help policies");
  CHECK(help.exit_code == 0);
  for (const char* policy : {" lru  ", " fifo  ", " belady  "})
    CHECK_THAT(help.out, Contains(policy));
  CHECK_THAT(session.scsim("completion bash").out, Contains("'cache:--policy') _scsim_words '"));
}
