// With memory for everything and requests far apart, one engine finds all there is to be found.
#include <catch2/catch.hpp>
#include <set>

#include "tests/oracle/block_replay.h"
#include "tests/sim/random_cluster.h"
#include "tests/support/real_data.h"
#include "tests/support/trace_files.h"
#include "tests/traces/imported.h"
#include "traces/trace_stat.h"

namespace scsim::sim {
namespace {

using test::SmallTrace;

Result run_far_apart(SmallTrace trace, std::int64_t block_tokens, bool cache_outputs) {
  std::int64_t tokens = 0;
  for (std::size_t i = 0; i < trace.requests().size(); ++i) {
    Request& request = trace.requests()[i];
    request.arrival = request.earliest =
        TimePoint(static_cast<std::int64_t>(i) * 3600 * 1'000'000'000);
    tokens += request.prompt_tokens().value() + request.output_tokens.value() + block_tokens;
  }
  EngineKnobs knobs;
  knobs.block_tokens = block_tokens;
  knobs.cache_outputs = cache_outputs;
  return test::run(trace, test::small_cluster(test::kSomeCost, knobs, tokens / block_tokens + 1));
}

// Prompts that continue, repeat and quote others.
SmallTrace random_prompts(Rng& rng) {
  SmallTrace trace;
  for (int i = 0; i < 4; ++i) trace.content(100);
  for (int i = 0; i < 25; ++i) {
    std::vector<Span> prompt;
    if (i > 0 && rng.chance(0.6)) {
      const Request& before = trace.requests()[rng.below(trace.requests().size())];
      prompt = before.prompt;
      if (rng.chance(0.5)) prompt.push_back({before.output, Tokens(0), before.output_tokens});
    }
    if (prompt.empty() || rng.chance(0.5)) {
      for (const Span& more : test::random_spans(rng, 4, 20)) prompt.push_back(more);
    }
    trace.ask(TimePoint(0), prompt, test::between(rng, 1, 20));
  }
  return trace;
}

// A prefix can be found when an earlier request computed it: all of its prompt, and its answer but
// for the last token, which nobody ever needed. Of a prompt the last token is always computed, so
// at most floor((n - 1) / block) blocks are found.
TEST_CASE("an unlimited cache finds every full block that was computed before",
          "[sim][ideal_reuse]") {
  std::int64_t all_found = 0;
  for (std::uint64_t trial = 0; trial < 60; ++trial) {
    Rng rng(trial, "test.ideal_reuse");
    const SmallTrace trace = random_prompts(rng);
    const std::size_t block = 1 + rng.below(9);
    const bool outputs = rng.chance(0.5);
    const Result result = run_far_apart(trace, static_cast<std::int64_t>(block), outputs);
    std::set<std::vector<test::Token>> computed;  // prefixes of whole blocks
    CAPTURE(trial, block, outputs);
    for (std::size_t i = 0; i < trace.requests().size(); ++i) {
      const Request& request = trace.requests()[i];
      std::vector<test::Token> tokens = test::written_out(request.prompt);
      const auto prefix = [&](std::size_t blocks) {
        return std::vector<test::Token>(
            tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(blocks * block));
      };
      std::size_t found = 0;
      while (found < (tokens.size() - 1) / block && computed.contains(prefix(found + 1))) ++found;
      REQUIRE(result.requests[i].found_tokens == static_cast<std::int64_t>(found * block));
      all_found += result.requests[i].found_tokens;
      for (std::int64_t t = 0; outputs && t + 1 < request.output_tokens.value(); ++t)
        tokens.emplace_back(request.output.value(), t);
      for (std::size_t blocks = 1; blocks * block <= tokens.size(); ++blocks)
        computed.insert(prefix(blocks));
    }
  }
  CHECK(all_found > 10'000);
}

// `trace stat` counts the blocks of prompts that an ideal cache has, a partial block at the end
// included. Of a prompt of which all n blocks are there an engine still computes the last, and of
// no other does it compute more, since only the last block is partial: so it finds as many blocks
// as the ideal, less one for each prompt that is there as a whole.
void require_ideal(const SmallTrace& trace, std::int64_t block_tokens) {
  test::BlockReplay replay{Tokens(block_tokens)};
  std::int64_t whole = 0;
  for (const Request& request : trace.requests()) {
    const test::BlockCounts before = replay.counts();
    replay.add(request);
    whole += replay.counts().hits - before.hits == replay.counts().blocks - before.blocks;
  }
  const Result result = run_far_apart(trace, block_tokens, false);
  std::int64_t found = 0;
  for (const RequestResult& request : result.requests) found += request.found_tokens;
  const test::TemporaryFolder folder;
  test::write_trace(folder.file("t.pb"), trace.contents(), trace.requests());
  const auto stat = stat_trace(folder.file("t.pb"), {.block_tokens = block_tokens});
  REQUIRE(stat);
  CHECK(found == block_tokens * (stat->prefix_blocks.found - whole));
}

TEST_CASE("an unlimited cache finds what trace stat calls ideal, but the last block of a prompt",
          "[sim][ideal_reuse]") {
  for (std::uint64_t trial = 0; trial < 40; ++trial) {
    Rng rng(trial, "test.ideal_stat");
    CAPTURE(trial);
    require_ideal(random_prompts(rng), test::between(rng, 1, 9));
  }
}

TEST_CASE("on Mooncake's conversations an unlimited cache finds what trace stat calls ideal",
          "[sim][ideal_reuse]") {
  const auto path = test::real_data("traces/mooncake/conversation_trace.jsonl.zst");
  if (!path) return;
  test::Imported imported = test::import_files("mooncake", {*path});
  REQUIRE(imported.error.empty());
  SmallTrace trace;
  trace.contents() = imported.contents;
  trace.requests() = imported.requests;
  require_ideal(trace, 512);
}

}  // namespace
}  // namespace scsim::sim
