#include "traces/trace_stat.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include "tests/oracle/sharing.h"
#include "tests/support/real_data.h"
#include "tests/support/trace_files.h"
#include "traces/prefix_tree.h"
#include "traces/rng.h"
#include "traces/trace_format.h"

namespace scsim::test {
namespace {

TimePoint at_seconds(std::int64_t seconds) { return TimePoint(seconds * 1'000'000'000); }
Span span(std::uint64_t content, std::int64_t first, std::int64_t count) {
  return {ContentId(content), Tokens(first), Tokens(count)};
}

TraceStat stat_of(const std::vector<Tokens>& contents, const std::vector<Request>& requests,
                  std::int64_t block_tokens) {
  TemporaryFolder folder;
  write_trace(folder.file("t.pb"), contents, requests);
  Expected<TraceStat> stat = stat_trace(folder.file("t.pb"), {.block_tokens = block_tokens});
  REQUIRE(stat.has_value());
  return *stat;
}

// Prompts that continue others, repeat them, or put parts of few contents behind each other, at
// times that often coincide.
std::vector<Request> random_requests(Rng& rng, const std::vector<Tokens>& contents) {
  std::vector<Request> requests;
  const std::uint64_t count = 1 + rng.below(25);
  TimePoint now;
  for (std::uint64_t i = 0; i < count; ++i) {
    std::vector<Span> prompt;
    if (!requests.empty() && rng.chance(0.6)) {
      const Request& before = requests[rng.below(requests.size())];
      prompt = before.prompt;
      prompt.resize(1 + rng.below(prompt.size()));
      if (rng.chance(0.4)) {  // cut the last span, or into two
        Span& last = prompt.back();
        const Tokens all = last.count;
        last.count = Tokens(
            1 + static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(all.value()))));
        if (rng.chance(0.5) && last.count < all)
          prompt.push_back({last.content, last.first + last.count, all - last.count});
      } else if (rng.chance(0.5) && before.output.valid()) {
        prompt.push_back({before.output, Tokens(0), before.output_tokens});
      }
    }
    while (prompt.empty() || rng.chance(0.5)) {
      const std::uint64_t content = rng.below(contents.size());
      const auto length = static_cast<std::uint64_t>(contents[content].value());
      const std::uint64_t first = rng.chance(0.6) ? 0 : rng.below(length);
      prompt.push_back(span(content, static_cast<std::int64_t>(first),
                            1 + static_cast<std::int64_t>(rng.below(length - first))));
    }
    if (rng.chance(0.7)) now = now + Duration(1 + static_cast<std::int64_t>(rng.below(5'000'000)));
    Request request = open_request(now, prompt);
    request.session = SessionId(rng.below(4));
    request.tenant = TenantId(request.session.value() / 2);
    if (rng.chance(0.7)) {
      const std::uint64_t output = rng.below(contents.size());
      request.output = ContentId(output);
      request.output_tokens =
          Tokens(1 + static_cast<std::int64_t>(
                         rng.below(static_cast<std::uint64_t>(contents[output].value()))));
    }
    requests.push_back(request);
  }
  return requests;
}

TEST_CASE("stat counts what writing every prefix out counts", "[traces][stat]") {
  for (std::uint64_t trial = 0; trial < 150; ++trial) {
    Rng rng(trial, "test.stat");
    std::vector<Tokens> contents;
    for (std::uint64_t i = 0; i < 1 + trial % 6; ++i)
      contents.emplace_back(1 + static_cast<std::int64_t>(rng.below(12)));
    const auto block_tokens = static_cast<std::int64_t>(1 + trial % 5);
    const std::vector<Request> requests = random_requests(rng, contents);
    SharingOracle oracle(static_cast<std::size_t>(block_tokens));
    for (const Request& request : requests) oracle.add(request);

    const TraceStat stat = stat_of(contents, requests, block_tokens);
    CAPTURE(trial);
    CHECK(stat.prefix_tokens.total == oracle.tokens);
    CHECK(stat.prefix_tokens.found == oracle.found);
    CHECK(stat.prefix_tokens_with_outputs.found == oracle.found_with_outputs);
    CHECK(stat.prefix_blocks.total == oracle.blocks);
    CHECK(stat.prefix_blocks.found == oracle.found_blocks);
    CHECK(stat.prefix_blocks_with_outputs.found == oracle.found_blocks_with_outputs);
    CHECK(stat.position_free.found == oracle.position_free);
    CHECK(stat.found_own_session == oracle.own_session);
    CHECK(stat.found_own_tenant == oracle.own_tenant);
    CHECK(stat.found_other_tenant == oracle.other_tenant);
    CHECK(stat.unique_tokens == oracle.unique());
    for (std::size_t i = 0; i < stat.unique_by_fan_out.size(); ++i) {
      const std::int64_t most = std::int64_t{1} << i;
      CHECK(stat.unique_by_fan_out[i] == oracle.unique_in(i == 0 ? 1 : most / 2 + 1, most));
    }
    std::int64_t live_peak = 0;
    for (const Request& request : requests)
      live_peak = std::max(live_peak, oracle.live_at(request.earliest));
    CHECK(stat.live_peak == live_peak);
    if (live_peak > 0) CHECK(oracle.live_at(stat.live_peak_at) == live_peak);

    std::vector<std::int64_t> gaps = oracle.gaps_ns;
    std::ranges::sort(gaps);
    if (gaps.empty()) continue;
    double sum = 0;
    for (const std::int64_t gap : gaps) sum += static_cast<double>(gap) * 1e-9;
    CHECK(stat.gap_mean == Approx(sum / static_cast<double>(gaps.size())).margin(1e-12));
    CHECK(stat.gap_max == Approx(static_cast<double>(gaps.back()) * 1e-9).margin(1e-12));
    // Interpolation stays within the bin, 1/32 of a power of two wide, of the true quantile.
    const auto median = static_cast<double>(gaps[(gaps.size() + 1) / 2 - 1]) * 1e-9;
    CHECK(stat.gap_p50 == Approx(median).epsilon(1.0 / 32).margin(1e-9));
  }
}

// Known from counting blocks one by one: ../shared/data/README.md.
void check_mooncake(const std::string& file, std::int64_t total, std::int64_t found) {
  const std::optional<std::string> log = real_data("traces/mooncake/" + file);
  if (!log) return;
  TemporaryFolder folder;
  const ImportInputs inputs{.paths = {*log}, .options = {{"block_tokens", "512"}}};
  const Expected<ImportReport> imported =
      import_trace("mooncake", inputs, folder.file("t.pb"), "test");
  REQUIRE(imported.has_value());
  const Expected<TraceStat> stat = stat_trace(folder.file("t.pb"), {.block_tokens = 512});
  REQUIRE(stat.has_value());
  CHECK(stat->prefix_blocks.total == total);
  CHECK(stat->prefix_blocks.found == found);
}

TEST_CASE("ideal block reuse of Mooncake's conversation trace is what is known of it",
          "[traces][stat]") {
  check_mooncake("conversation_trace.jsonl.zst", 288'500, 105'710);
}

TEST_CASE("ideal block reuse of Mooncake's arXiv trace is what is known of it", "[traces][stat]") {
  check_mooncake("arxiv_mooncake_trace_first1000.jsonl.zst", 19'686, 7'479);
}

TEST_CASE("found and unique prompt tokens add up to all of them", "[traces][stat]") {
  Rng rng(1, "test.stat.sum");
  const std::vector<Tokens> contents = {Tokens(9), Tokens(30), Tokens(4)};
  const TraceStat stat = stat_of(contents, random_requests(rng, contents), 4);
  CHECK(stat.prefix_tokens.found + stat.unique_tokens == stat.prefix_tokens.total);
  CHECK(stat.found_own_session + stat.found_own_tenant + stat.found_other_tenant ==
        stat.prefix_tokens.found);
  std::int64_t requests = 0, unique = 0, prompt = 0;
  for (const TenantStat& tenant : stat.tenants) {
    requests += static_cast<std::int64_t>(tenant.requests);
    unique += tenant.unique_tokens;
    prompt += tenant.prompt_tokens;
  }
  CHECK(requests == static_cast<std::int64_t>(stat.requests));
  CHECK(unique == stat.unique_tokens);
  CHECK(prompt == stat.prefix_tokens.total);
}

TEST_CASE("a partial block is found only behind an equal prompt", "[traces][stat]") {
  // Blocks of 4 and prompts of 6 tokens: one whole block and half of one.
  const std::vector<Tokens> contents = {Tokens(10)};
  const auto found = [&](std::int64_t second) {
    return stat_of(contents,
                   {open_request(at_seconds(0), {span(0, 0, 6)}),
                    open_request(at_seconds(1), {span(0, 0, second)})},
                   4)
        .prefix_blocks.found;
  };
  CHECK(found(6) == 2);
  CHECK(found(7) == 1);  // its second block holds 3 tokens
  CHECK(found(8) == 1);  // whole, where the first prompt had half
  CHECK(found(5) == 1);
  CHECK(found(3) == 0);
}

TEST_CASE("position-free reuse finds a document behind another beginning", "[traces][stat]") {
  const std::vector<Tokens> contents = {Tokens(5), Tokens(100), Tokens(7)};
  const TraceStat stat =
      stat_of(contents,
              {open_request(at_seconds(0), {span(0, 0, 5), span(1, 0, 80)}),
               open_request(at_seconds(1), {span(2, 0, 7), span(1, 0, 100), span(1, 0, 10)})},
              16);
  CHECK(stat.prefix_tokens.found == 0);
  // 80 of the first use; the second prompt's own repetition had been seen up to token 10.
  CHECK(stat.position_free.found == 90);
}

TEST_CASE("lengths and arrivals are summarised exactly", "[traces][stat]") {
  std::vector<Request> requests;
  for (std::int64_t i = 1; i <= 100; ++i) {
    requests.push_back(open_request(at_seconds(10 * i), {span(0, 0, i)}));
    requests.back().session = SessionId(static_cast<std::uint64_t>(i % 10));
  }
  const TraceStat stat = stat_of({Tokens(100)}, requests, 16);
  CHECK(stat.prompt.mean == Approx(50.5));
  CHECK(stat.prompt.p50 == 50);
  CHECK(stat.prompt.p90 == 90);
  CHECK(stat.prompt.p99 == 99);
  CHECK(stat.prompt.max == 100);
  CHECK(stat.session_requests.count == 10);
  CHECK(stat.session_requests.p50 == 10);
  CHECK(stat.request_arrivals.rate_per_second == Approx(0.1));
  CHECK(stat.request_arrivals.gap_cv == Approx(0).margin(1e-12));
  CHECK(stat.session_arrivals.count == 10);
  // 990 s in 16 windows of 61.9 s: a request every 10 s makes 7 in the fullest.
  CHECK(stat.request_arrivals.peak_to_mean == Approx(7 / (100.0 / 16)));
}

TEST_CASE("a prefix tree knows tokens, not how they were cut into spans", "[traces][stat]") {
  struct Nothing {
    void becomes_upper_part() {}
  };
  PrefixTree<Nothing> tree;
  std::vector<std::uint32_t> whole, cut, longer;
  tree.descend(tree.kRoot, std::vector<Span>{span(1, 0, 10), span(2, 5, 5)}, whole);
  REQUIRE(whole.size() == 1);
  tree.descend(tree.kRoot, std::vector<Span>{span(1, 0, 4), span(1, 4, 6), span(2, 5, 5)}, cut);
  CHECK(cut == whole);
  tree.descend(tree.kRoot, std::vector<Span>{span(1, 0, 10), span(2, 5, 2), span(3, 0, 1)}, longer);
  REQUIRE(longer.size() == 2);
  CHECK(tree[longer[0]].tokens == Tokens(12));
  CHECK(tree[longer[1]].tokens == Tokens(1));
  CHECK(tree[whole[0]].tokens == Tokens(3));  // what is left below the split
}

TEST_CASE("stat says what each ratio means", "[traces][stat]") {
  const TraceStat stat = stat_of({Tokens(100)},
                                 {open_request(at_seconds(0), {span(0, 0, 40)}),
                                  open_request(at_seconds(1), {span(0, 0, 60)})},
                                 16);
  const std::string text = trace_stat_text(stat);
  CHECK(text.find("40 of 100 (40.0 %)") != std::string::npos);
  CHECK(text.find("2 of 7 (28.6 %)") != std::string::npos);
  CHECK(text.find("an equal prompt came before") != std::string::npos);
  const std::string json = trace_stat_json(stat);
  CHECK(json.find("\"prefix_tokens\"") != std::string::npos);
}

TEST_CASE("a trace without requests has nothing to share", "[traces][stat]") {
  const TraceStat stat = stat_of({}, {}, 16);
  CHECK(stat.requests == 0);
  CHECK(stat.prefix_tokens.ratio() == 0);
  CHECK(stat.gap_p50 == 0);
  CHECK(trace_stat_text(stat).find("0 of 0") != std::string::npos);
}

TEST_CASE("stat refuses blocks of no tokens", "[traces][stat]") {
  const Expected<TraceStat> stat = stat_trace("missing.pb", {.block_tokens = 0});
  REQUIRE(!stat.has_value());
  CHECK(stat.error().message == "block tokens: 0; expected 1 or more");
}

}  // namespace
}  // namespace scsim::test
