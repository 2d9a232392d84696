// `scsim cache`'s counts: against each other, against the slow way, and against known numbers.
#include "sim/store/cache_study.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <list>

#include "sim/store/lru_curve.h"
#include "sim/store/next_uses.h"
#include "tests/oracle/block_replay.h"
#include "tests/sim/store/random_prompts.h"
#include "tests/sim/store/random_visits.h"
#include "tests/support/real_data.h"
#include "tests/support/trace_files.h"
#include "traces/trace_format.h"
#include "traces/trace_stat.h"

namespace scsim::sim {
namespace {

using Policies = std::vector<CacheStudyOptions::Policy>;

CacheStudyOptions options_for(const std::string& policies, std::vector<std::int64_t> capacities) {
  CacheStudyOptions options;
  options.policies = *parse_cache_policies(policies);
  options.capacities = std::move(capacities);
  return options;
}

std::vector<std::int64_t> hit_blocks(const CacheStudy& study) {
  std::vector<std::int64_t> blocks;
  for (const CacheRow& row : study.rows) blocks.push_back(row.hits.blocks);
  return blocks;
}

CacheKeeping random_keeping(Rng& rng) {
  return {.block_tokens = test::between(rng, 1, 9),
          .tail = rng.chance(0.7),
          .outputs = rng.chance(0.4),
          .isolate_tenants = rng.chance(0.3)};
}

// Some answers are quoted by later prompts.
test::SmallTrace random_requests(Rng& rng, int requests) {
  test::SmallTrace trace = test::random_prompts(rng, requests);
  for (std::size_t i = 1; i < trace.requests().size(); ++i) {
    Request& request = trace.requests()[i];
    const Request& before = trace.requests()[rng.below(i)];
    if (!rng.chance(0.3)) continue;
    request.prompt = before.prompt;
    request.prompt.push_back({before.output, Tokens(0), before.output_tokens});
  }
  return trace;
}

std::string write(const test::TemporaryFolder& folder, const test::SmallTrace& trace) {
  test::write_trace(folder.file("t.pb"), trace.contents(), trace.requests());
  return folder.file("t.pb");
}

TEST_CASE("the curve of one pass is what a store finds at every capacity", "[sim][cache]") {
  std::int64_t found = 0;
  for (std::uint64_t trial = 0; trial < 60; ++trial) {
    Rng rng(trial, "test.lru_curve");
    const test::TemporaryFolder folder;
    const std::string path = write(folder, random_requests(rng, 40));
    CacheStudyOptions options = options_for("lru", {1});
    options.keeping = random_keeping(rng);
    const std::int64_t all = study_cache(path, options)->unique_blocks;
    options.capacities.clear();
    for (std::int64_t capacity = 1; capacity <= all + 1; ++capacity)
      options.capacities.push_back(capacity);
    const auto one_pass = study_cache(path, options);
    options.one_pass = false;
    const auto run_by_run = study_cache(path, options);
    CAPTURE(trial, options.keeping.block_tokens, options.keeping.tail, options.keeping.outputs);
    REQUIRE(one_pass->rows == run_by_run->rows);
    if (!one_pass->rows.empty()) {
      CHECK(one_pass->rows.back().hits == one_pass->ideal);
      found += one_pass->ideal.tokens;
    }
  }
  CHECK(found > 10'000);
}

// More requests than there are slots at first; most of the slots are given back.
TEST_CASE("the curve forgets slots that nobody is in", "[sim][cache]") {
  Rng rng(7, "test.lru_curve.long");
  const test::TemporaryFolder folder;
  const std::string path = write(folder, random_requests(rng, 6'000));
  CacheStudyOptions options = options_for("lru", {3, 40, 500, 7'000});
  options.keeping.block_tokens = 4;
  const auto one_pass = study_cache(path, options);
  options.one_pass = false;
  CHECK(one_pass->rows == study_cache(path, options)->rows);
}

TEST_CASE("the curve's steps are all capacities at which more is found", "[sim][cache]") {
  Rng rng(3, "test.lru_curve.steps");
  const test::TemporaryFolder folder;
  const std::string path = write(folder, random_requests(rng, 60));
  TokenPaths paths;
  const CacheKeeping keeping{.block_tokens = 4};
  LruCurve curve(keeping, paths);
  auto trace = CacheTrace::open(path, keeping, paths);
  CacheRequest request;
  while (*trace->next(request)) {
    curve.serve(request);
    paths.drop_reference(request.path);
  }
  std::vector<std::int64_t> steps;
  for (std::int64_t at = 1; at <= curve.unique_blocks(); ++at) {
    if (curve.hits(at).blocks > curve.hits(at - 1).blocks) steps.push_back(at);
  }
  CHECK(steps.size() > 5);
  CHECK(curve.steps() == steps);
}

TEST_CASE("with room for all a cache finds the blocks that trace stat calls ideal",
          "[sim][cache]") {
  for (std::uint64_t trial = 0; trial < 40; ++trial) {
    Rng rng(trial, "test.cache_ideal");
    const test::TemporaryFolder folder;
    const std::string path = write(folder, random_requests(rng, 40));
    CacheStudyOptions options = options_for("lru", {1});
    options.keeping.block_tokens = test::between(rng, 1, 9);
    const auto stat = stat_trace(path, {.block_tokens = options.keeping.block_tokens});
    CAPTURE(trial);
    const auto prompts = study_cache(path, options);
    CHECK(prompts->ideal.blocks == stat->prefix_blocks.found);
    CHECK(prompts->total.blocks == stat->prefix_blocks.total);
    CHECK(prompts->total.tokens == stat->prefix_tokens.total);
    options.keeping.outputs = true;
    CHECK(study_cache(path, options)->ideal.blocks == stat->prefix_blocks_with_outputs.found);
    options.keeping = {.block_tokens = 1, .outputs = true};
    CHECK(study_cache(path, options)->ideal.tokens == stat->prefix_tokens_with_outputs.found);
  }
}

// A block is found by a tenant that isolates itself if its own requests left it: all tenants one by
// one find as much as together.
TEST_CASE("isolated tenants find what each finds alone", "[sim][cache]") {
  Rng rng(5, "test.cache_tenants");
  const test::TemporaryFolder folder;
  test::SmallTrace trace = random_requests(rng, 200);
  CacheStudyOptions options = options_for("lru", {kRoomForAll});
  options.keeping = {.block_tokens = 4, .isolate_tenants = true};
  const auto isolated = study_cache(write(folder, trace), options);
  CacheHits alone;
  for (std::uint64_t tenant = 0; tenant < 3; ++tenant) {
    test::SmallTrace own = trace;
    std::erase_if(own.requests(),
                  [&](const Request& request) { return request.tenant.value() != tenant; });
    options.keeping.isolate_tenants = false;
    const auto study = study_cache(write(folder, own), options);
    alone.blocks += study->ideal.blocks;
    alone.tokens += study->ideal.tokens;
  }
  CHECK(isolated->ideal == alone);
  CHECK(isolated->rows.front().hits == alone);
  const auto shared = study_cache(write(folder, trace), options);
  CHECK(shared->ideal.blocks > alone.blocks);
}

TEST_CASE("next uses are those found by looking ahead", "[sim][cache]") {
  for (std::uint64_t trial = 0; trial < 40; ++trial) {
    Rng rng(trial, "test.next_uses");
    const std::vector<test::Visit> visits = test::random_visits(rng, 30);
    std::vector<Request> requests;
    for (const test::Visit& visit : visits)
      requests.push_back(test::open_request(TimePoint(0), visit.prompt()));
    const test::TemporaryFolder folder;
    test::write_trace(folder.file("t.pb"), std::vector<Tokens>(200, Tokens(1'000)), requests);
    const auto next = NextUses::read(folder.file("t.pb"), {.block_tokens = test::kBlock}, nullptr);
    REQUIRE(next);
    CAPTURE(trial);
    for (std::size_t i = 0; i < visits.size(); ++i) {
      const auto expected = visits[i].future();
      const auto given = next->of(i);
      REQUIRE(std::ranges::equal(given, expected, [](const auto& a, const auto& b) {
        return a.end == b.end && a.number == b.number;
      }));
    }
  }
}

TEST_CASE("with answers kept, a next use is a prompt that asks for the block", "[sim][cache]") {
  using Name = std::vector<std::vector<Span>>;  // a block and those before it
  for (std::uint64_t trial = 0; trial < 20; ++trial) {
    Rng rng(trial, "test.next_uses.outputs");
    const test::TemporaryFolder folder;
    const test::SmallTrace trace = random_requests(rng, 30);
    const CacheKeeping keeping{.block_tokens = test::between(rng, 1, 9), .outputs = true};
    const auto next = NextUses::read(write(folder, trace), keeping, nullptr);
    std::vector<Name> kept, asked;
    for (Request request : trace.requests()) {
      asked.push_back(test::cut_into_blocks(request, Tokens(keeping.block_tokens)));
      request.prompt.push_back({request.output, Tokens(0), request.output_tokens});
      kept.push_back(test::cut_into_blocks(request, Tokens(keeping.block_tokens)));
    }
    for (std::size_t i = 0; i < kept.size(); ++i) {
      const auto given = next->of(i);
      REQUIRE(given.back().end == static_cast<std::int64_t>(kept[i].size()));
      std::size_t span = 0;
      for (std::size_t depth = 0; depth < kept[i].size(); ++depth) {
        std::uint64_t expected = kNeverUsed;
        for (std::size_t j = kept.size() - 1; j > i; --j) {
          const auto common = std::ranges::mismatch(kept[i], asked[j]).in1 - kept[i].begin();
          if (common > static_cast<std::ptrdiff_t>(depth)) expected = j;
        }
        if (given[span].end <= static_cast<std::int64_t>(depth)) ++span;
        CAPTURE(trial, i, depth);
        REQUIRE(given[span].number == expected);
      }
    }
  }
}

// Each block an access, in lists and with searches from front to back.
std::int64_t flat_hits(const std::vector<test::Visit>& visits, std::size_t capacity,
                       const std::string& policy) {
  using Block = std::vector<int>;
  std::vector<Block> accesses;
  for (const test::Visit& visit : visits) {
    for (std::size_t depth = 1; depth <= visit.blocks.size(); ++depth)
      accesses.emplace_back(visit.blocks.begin(),
                            visit.blocks.begin() + static_cast<std::ptrdiff_t>(depth));
  }
  std::list<Block> cache;  // who goes next in front
  std::int64_t hits = 0;
  for (std::size_t i = 0; i < accesses.size(); ++i) {
    const auto place = std::ranges::find(cache, accesses[i]);
    const bool hit = place != cache.end();
    hits += hit;
    if (hit && policy == "fifo") continue;
    if (hit) cache.erase(place);
    cache.push_back(accesses[i]);
    if (cache.size() <= capacity) continue;
    if (policy != "belady") {
      cache.pop_front();
      continue;
    }
    const auto next_use = [&](const Block& block) {
      return std::find(accesses.begin() + static_cast<std::ptrdiff_t>(i) + 1, accesses.end(),
                       block) -
             accesses.begin();
    };
    cache.erase(std::ranges::max_element(cache, {}, next_use));
  }
  return hits;
}

TEST_CASE("a flat cache finds what accesses one by one find", "[sim][cache]") {
  std::int64_t found = 0;
  for (std::uint64_t trial = 0; trial < 40; ++trial) {
    Rng rng(trial, "test.flat");
    const std::vector<test::Visit> visits = test::random_visits(rng, 40);
    std::vector<Request> requests;
    for (const test::Visit& visit : visits)
      requests.push_back(test::open_request(TimePoint(0), visit.prompt()));
    const test::TemporaryFolder folder;
    test::write_trace(folder.file("t.pb"), std::vector<Tokens>(200, Tokens(1'000)), requests);
    for (const std::int64_t capacity : {1, 2, 5, 11, 30}) {
      CacheStudyOptions options = options_for("lru,fifo,belady", {capacity});
      options.keeping.block_tokens = test::kBlock;
      options.flat = true;
      const auto study = study_cache(folder.file("t.pb"), options);
      REQUIRE(study);
      for (const CacheRow& row : study->rows) {
        CAPTURE(trial, capacity, row.policy);
        REQUIRE(row.hits.blocks ==
                flat_hits(visits, static_cast<std::size_t>(capacity), row.policy));
        found += row.hits.blocks;
      }
    }
  }
  CHECK(found > 10'000);
}

TEST_CASE("no policy finds more than the oracle, flat or not, and with room for all as much",
          "[sim][cache]") {
  for (std::uint64_t trial = 0; trial < 10; ++trial) {
    Rng rng(trial, "test.cache_oracle");
    const test::TemporaryFolder folder;
    const std::string path = write(folder, random_requests(rng, 80));
    CacheStudyOptions options = options_for("all", {4, 12, 40, kRoomForAll});
    options.keeping = random_keeping(rng);
    options.flat = trial % 2 == 1;
    const auto study = study_cache(path, options);
    REQUIRE(study);
    for (const CacheRow& row : study->rows) {
      const auto best = std::ranges::find_if(study->rows, [&](const CacheRow& other) {
        return other.policy == "belady" && other.capacity_blocks == row.capacity_blocks;
      });
      CAPTURE(trial, row.policy, row.capacity_blocks);
      // A flat oracle keeps what is touched next; answers are touched, but are no hits.
      if (!(options.flat && options.keeping.outputs)) CHECK(row.hits.blocks <= best->hits.blocks);
      if (row.capacity_blocks == study->unique_blocks && row.policy != "ttl")
        CHECK(row.hits == study->ideal);
    }
  }
}

TEST_CASE("a study is the same with more threads", "[sim][cache]") {
  Rng rng(1, "test.cache_threads");
  const test::TemporaryFolder folder;
  const std::string path = write(folder, random_requests(rng, 300));
  CacheStudyOptions options = options_for("all", {});
  options.keeping.block_tokens = 4;
  for (const bool flat : {false, true}) {
    options.flat = flat;
    options.threads = 1;
    const auto alone = study_cache(path, options);
    for (const int threads : {2, 7}) {
      options.threads = threads;
      CHECK(study_cache(path, options)->rows == alone->rows);
    }
  }
}

TEST_CASE("a trace that ends early or is missing is an error, whatever runs on it",
          "[sim][cache]") {
  Rng rng(1, "test.cache_damage");
  const test::TemporaryFolder folder;
  const std::string path = write(folder, random_requests(rng, 300));
  const std::string bytes = test::bytes_of(path);
  std::FILE* half = std::fopen(folder.file("half.pb").c_str(), "wb");
  std::fwrite(bytes.data(), 1, bytes.size() / 2, half);
  std::fclose(half);
  const CacheStudyOptions options = options_for("fifo,belady", {10});
  CHECK_FALSE(study_cache(folder.file("half.pb"), options));
  CHECK_FALSE(study_cache(folder.file("none.pb"), options));
}

TEST_CASE("capacities nobody chose are a ladder up to all blocks", "[sim][cache]") {
  CHECK(capacity_ladder(182'790) == std::vector<std::int64_t>{200, 500, 1'000, 2'000, 5'000, 10'000,
                                                              20'000, 50'000, 100'000, 182'790});
  CHECK(capacity_ladder(10) == std::vector<std::int64_t>{1, 2, 5, 10});
  CHECK(capacity_ladder(1) == std::vector<std::int64_t>{1});
  CHECK(capacity_ladder(0) == std::vector<std::int64_t>{1});
  const std::vector<std::int64_t> curve = curve_capacities(1'000);
  CHECK(curve.size() == 64 + 3 * 32 + 31);
  CHECK(std::ranges::is_sorted(curve));
  CHECK(curve.back() == 1'000);
}

TEST_CASE("policies are read with their parameters, and what is wrong is named", "[sim][cache]") {
  const auto policies = parse_cache_policies("lru, fifo");
  REQUIRE(policies);
  CHECK(policies->at(1).name == "fifo");
  CHECK(parse_cache_policies("all")->size() == eviction_table().size());
  const auto [text, message] = GENERATE(table<std::string, std::string>({
      {"lur", "did you mean \"lru\"?"},
      {"lru,lru", "lru is there twice"},
      {"", "unknown eviction policy"},
      {"lru:a=1", "unknown parameter \"a\""},
      {"lru:a", "\"a\": expected parameter=value"},
      {"lru:a=x", "lru: a: "},
      {"lru:a=1,a=2", "a is given twice"},
      {"a=1", "unknown eviction policy"},
  }));
  CAPTURE(text);
  const auto wrong = parse_cache_policies(text);
  REQUIRE_FALSE(wrong);
  CHECK_THAT(wrong.error().message, Catch::Contains(message));
}

// ---- known numbers ----

std::optional<std::string> imported(const test::TemporaryFolder& folder, const std::string& name) {
  const auto log = test::real_data("traces/mooncake/" + name);
  if (!log) return std::nullopt;
  ImportInputs inputs;
  inputs.paths = {*log};
  REQUIRE(import_trace("mooncake", inputs, folder.file("t.pb"), "test"));
  return folder.file("t.pb");
}

TEST_CASE("mooncake's conversations give the known integers, leaves first and flat",
          "[sim][cache][real]") {
  const test::TemporaryFolder folder;
  const auto path = imported(folder, "conversation_trace.jsonl.zst");
  if (!path) return;
  CacheStudyOptions options = options_for("lru", {100'000, 50'000, 30'000, 10'000, 1'000});
  options.threads = 2;
  for (const bool one_pass : {true, false}) {
    options.one_pass = one_pass;
    const auto study = study_cache(*path, options);
    REQUIRE(study);
    CHECK(hit_blocks(*study) ==
          std::vector<std::int64_t>{104'924, 102'290, 93'978, 61'046, 12'847});
    CHECK(study->ideal.blocks == 105'710);
    CHECK(study->total.blocks == 288'500);
    CHECK(study->unique_blocks == 182'790);
    CHECK(study->requests == 12'031);
  }
  options.flat = true;
  CHECK(hit_blocks(*study_cache(*path, options)) ==
        std::vector<std::int64_t>{104'924, 102'290, 93'967, 60'921, 12'831});
}

TEST_CASE("the first thousand of mooncake's arXiv requests give the known integers",
          "[sim][cache][real]") {
  const test::TemporaryFolder folder;
  const auto path = imported(folder, "arxiv_mooncake_trace_first1000.jsonl.zst");
  if (!path) return;
  CacheStudyOptions options = options_for("lru", {kRoomForAll, 5'000, 1'000});
  for (const bool flat : {false, true}) {
    options.flat = flat;
    const auto study = study_cache(*path, options);
    REQUIRE(study);
    CHECK(hit_blocks(*study) == std::vector<std::int64_t>{7'479, 6'286, 5'565});
    CHECK(study->unique_blocks == 12'207);
  }
}

// Counted by libCacheSim (PyPI libcachesim 0.3.5), each block an object of size 1 in a trace in its
// format oracleGeneral. Its S3-FIFO, SLRU and GDSF differ from the ones here in more than the tree:
// how they fill an empty cache, how many segments there are, what ties are.
TEST_CASE("flat, policies find on mooncake's conversations what libCacheSim counts",
          "[sim][cache][real]") {
  const test::TemporaryFolder folder;
  const auto path = imported(folder, "conversation_trace.jsonl.zst");
  if (!path) return;
  CacheStudyOptions options =
      options_for("lru,fifo,lfu,clock,sieve,arc,lru_k,belady", {10'000, 30'000});
  options.flat = true;
  options.threads = 2;
  CHECK(hit_blocks(*study_cache(*path, options)) ==
        std::vector<std::int64_t>{60'921, 93'967, 53'812, 87'152, 38'013, 79'595, 61'830, 94'944,
                                  38'013, 79'595, 64'205, 89'675, 38'013, 79'595, 105'710,
                                  105'710});
}

}  // namespace
}  // namespace scsim::sim
