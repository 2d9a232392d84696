#include <algorithm>
#include <catch2/catch.hpp>
#include <set>

#include "methods/method.h"
#include "methods/minference/settings.h"
#include "tests/support/temporary_folder.h"
#include "traces/files.h"
#include "traces/rng.h"

namespace scsim::methods {
namespace {

const AttentionLayer kLayer{.layer = 0,
                            .num_layers = 2,
                            .query_heads = 4,
                            .kv_heads = 2,
                            .head_dim = 64,
                            .element_bytes = 4};

// Keys that each row attends, one by one: what lists say, causal.
std::vector<std::set<std::int64_t>> attended(const KeyLists& lists, const RowRange& rows) {
  std::vector<std::set<std::int64_t>> of_rows;
  for (std::int64_t p = rows.first; p < rows.keys(); ++p) {
    const auto e = static_cast<std::size_t>((p - rows.first) / kBlock);
    std::set<std::int64_t> keys;
    const auto add = [&](std::int64_t key) {
      if (key > p) return;
      CHECK(keys.insert(key).second);  // nothing is listed twice
    };
    for (auto i = static_cast<std::size_t>(lists.tile_offsets[e]);
         i < static_cast<std::size_t>(lists.tile_offsets[e + 1]); ++i) {
      for (std::int64_t k = 0; k < kBlock; ++k) add(lists.tiles[i] + k);
    }
    for (auto i = static_cast<std::size_t>(lists.column_offsets[e]);
         i < static_cast<std::size_t>(lists.column_offsets[e + 1]); ++i) {
      add(lists.columns[i]);
    }
    for (std::int64_t k =
             std::max<std::int64_t>(lists.bands[2 * e], p - lists.bands[2 * e + 1] + 1);
         k <= p; ++k) {
      add(k);
    }
    of_rows.push_back(keys);
  }
  return of_rows;
}

double pairs_of(const std::vector<std::set<std::int64_t>>& of_rows) {
  double pairs = 0;
  for (const auto& keys : of_rows) pairs += static_cast<double>(keys.size());
  return pairs;
}

std::vector<std::int32_t> some_of(Rng& rng, std::int64_t below, double chance) {
  std::vector<std::int32_t> numbers;
  for (std::int64_t i = 0; i < below; ++i) {
    if (rng.chance(chance)) numbers.push_back(static_cast<std::int32_t>(i));
  }
  return numbers;
}

// The paper's rule: row p attends the chosen columns and the keys on the chosen diagonals, the
// latter in blocks of 64. Lists must have all of that, and nothing that is more than a block away.
TEST_CASE("lists of a vertical-slash head are its columns and its diagonals in blocks",
          "[methods][minference]") {
  for (std::uint64_t n = 0; n < 60; ++n) {
    Rng rng(3, "vertical slash", n);
    const RowRange rows{.first = n % 3 == 0 ? 0 : static_cast<std::int64_t>(rng.below(150)),
                        .count = static_cast<std::int64_t>(1 + rng.below(300))};
    const double chance = n % 2 == 0 ? 0.02 : 0.3;
    const std::vector<std::int32_t> columns = some_of(rng, rows.keys(), chance);
    std::vector<std::int32_t> diagonals = some_of(rng, rows.keys(), chance);
    if (diagonals.empty() || diagonals.front() != 0) diagonals.insert(diagonals.begin(), 0);
    std::ranges::reverse(diagonals);
    KeyLists lists;
    add_vertical_slash(lists, rows, columns, diagonals);
    REQUIRE(static_cast<std::int64_t>(lists.lists()) == rows.blocks());
    const auto found = attended(lists, rows);
    INFO("case " << n << ", rows from " << rows.first << ", " << rows.count);
    for (std::int64_t p = rows.first; p < rows.keys(); ++p) {
      const auto& keys = found[static_cast<std::size_t>(p - rows.first)];
      const std::int64_t end = rows.first + ((p - rows.first) / kBlock + 1) * kBlock;
      bool complete = true, justified = true;
      for (std::int64_t j = 0; j <= p; ++j) {
        const bool column = std::ranges::binary_search(columns, j);
        const bool diagonal = std::ranges::binary_search(diagonals, p - j, std::ranges::greater());
        const bool near = std::ranges::any_of(diagonals, [&](std::int64_t d) {
          return j >= std::max<std::int64_t>(0, end - d - kBlock) &&
                 j < std::max(end - d, kBlock) + kBlock - 1;
        });
        if ((column || diagonal) && !keys.contains(j)) complete = false;
        if (keys.contains(j) && !column && !near) justified = false;
      }
      CHECK(complete);
      CHECK(justified);
    }
    CHECK(listed_pairs(lists, 0, rows) == pairs_of(found));
  }
}

TEST_CASE("lists of A-shape, dense and block-sparse heads are what they say, row by row",
          "[methods][minference]") {
  for (const RowRange rows : {RowRange{0, 1}, RowRange{0, 200}, RowRange{37, 100}}) {
    KeyLists dense, a_shape, blocks;
    add_dense(dense, rows);
    add_a_shape(a_shape, rows, 70, 20);
    std::vector<std::vector<std::int32_t>> chosen;
    for (std::int64_t b = 0; b < rows.blocks(); ++b) {
      chosen.push_back({0});
      if (b > 1) chosen.back().push_back(static_cast<std::int32_t>(b));
    }
    add_blocks(blocks, rows, chosen);
    const auto of_dense = attended(dense, rows), of_a_shape = attended(a_shape, rows),
               of_blocks = attended(blocks, rows);
    for (std::int64_t p = rows.first; p < rows.keys(); ++p) {
      const auto i = static_cast<std::size_t>(p - rows.first);
      CHECK(static_cast<std::int64_t>(of_dense[i].size()) == p + 1);
      for (std::int64_t j = 0; j <= p; ++j) {
        CHECK(of_a_shape[i].contains(j) == (j < 70 || j > p - 20));
        const auto& names = chosen[i / kBlock];
        CHECK(of_blocks[i].contains(j) == (std::ranges::find(names, j / kBlock) != names.end()));
      }
    }
    CHECK(listed_pairs(dense, 0, rows) == pairs_of(of_dense));
    CHECK(listed_pairs(a_shape, 0, rows) == pairs_of(of_a_shape));
    CHECK(listed_pairs(blocks, 0, rows) == pairs_of(of_blocks));
  }
}

TEST_CASE("MInference's bounds hold whatever is chosen", "[methods][minference]") {
  const auto contract = make_contract(*parse_method(
      "minference:vertical=20,slash=30,forced_columns=5,forced_diagonals=8,least_diagonals=1"));
  for (std::uint64_t n = 0; n < 40; ++n) {
    Rng rng(4, "bounds", n);
    const auto tokens = static_cast<std::int64_t>(31 + rng.below(600));
    // Anything that has the forced ones and as many as it is said to choose.
    const auto choose = [&](std::int64_t forced, std::int64_t count) {
      std::set<std::int32_t> chosen;
      while (static_cast<std::int64_t>(chosen.size()) < std::min(count, tokens)) {
        const auto size = static_cast<std::int64_t>(chosen.size());
        chosen.insert(static_cast<std::int32_t>(
            size < forced ? size : rng.below(static_cast<std::uint64_t>(tokens))));
      }
      return chosen;
    };
    RecordedSelection selection;
    for (std::int64_t h = 0; h < kLayer.query_heads; ++h) {
      const auto columns = choose(5, 20), diagonals = choose(8, 30);
      selection.push_back({1, static_cast<std::int32_t>(columns.size())});
      selection.back().insert(selection.back().end(), columns.begin(), columns.end());
      selection.back().insert(selection.back().end(), diagonals.rbegin(), diagonals.rend());
    }
    const PairBounds bounds = contract->prefill_pairs(kLayer, Tokens{tokens}, Tokens{0});
    const double pairs =
        contract->prefill_pairs_given(kLayer, Tokens{tokens}, Tokens{0}, selection);
    INFO(tokens << " tokens");
    CHECK(bounds.least <= pairs);
    CHECK(pairs <= bounds.most);
    CHECK(bounds.most <= causal_pairs(kLayer, Tokens{tokens}, Tokens{0}));
  }
}

TEST_CASE("MInference is dense where a prompt is no longer than its sizes, and behind the first",
          "[methods][minference]") {
  const auto contract = make_contract(*parse_method("minference"));
  const PairBounds whole = contract->prefill_pairs(kLayer, Tokens{6096}, Tokens{0});
  CHECK(whole.exact());
  CHECK(whole.least == causal_pairs(kLayer, Tokens{6096}, Tokens{0}));
  CHECK_FALSE(contract->prefill_pairs(kLayer, Tokens{6097}, Tokens{0}).exact());
  CHECK(contract->prefill_pairs(kLayer, Tokens{50}, Tokens{9000}).exact());
  CHECK(contract->reuse(SessionMode::kMultiTurn) == ReuseClass::kQueryBound);
  CHECK(contract->reuse(SessionMode::kMultiRequest) == ReuseClass::kLossy);
}

TEST_CASE("published patterns are read, written and read again", "[methods][minference]") {
  const std::string published =
      R"([{"0": ["vertical_and_slash", 1000, 6096, 336379.0], "1": ["stream_llm", 100, 800, 3.5]},
          {"3": ["block_sparse", 10, 1, 2]}])";
  const auto patterns = parse_head_patterns(published, "x.json");
  REQUIRE(patterns.has_value());
  REQUIRE(patterns->size() == 2);
  CHECK((*patterns)[0].at(0) == HeadPattern{PatternKind::kVerticalSlash, 1000, 6096, 336379});
  CHECK((*patterns)[0].at(1) == HeadPattern{PatternKind::kAShape, 100, 800, 3.5});
  CHECK((*patterns)[1].at(3).kind == PatternKind::kBlockSparse);
  const auto again = parse_head_patterns(head_patterns_json(*patterns), "y.json");
  REQUIRE(again.has_value());
  CHECK((*again == *patterns));
}

TEST_CASE("a file of patterns that is none is said so, with layer and head",
          "[methods][minference]") {
  const struct {
    const char *text, *message;
  } cases[] = {
      {"[", "x.json: this is not JSON"},
      {"{}", "x.json: expected a list with an object a layer"},
      {"[3]", "x.json: layer 0: expected an object"},
      {R"([{}, {"a": ["stream_llm", 1, 2, 3]}])", "layer 1: \"a\" is not the number of a"},
      {R"([{"0": ["stream_lm", 1, 2, 3]}])", "did you mean \"stream_llm\"?"},
      {R"([{"2": ["stream_llm", -1, 2, 3]}])", "layer 0, head 2: sizes must not be"},
      {R"([{"2": ["stream_llm", 1.5, 2, 3]}])", "expected [type, vertical, slash, score]"}};
  for (const auto& given : cases) {
    const auto patterns = parse_head_patterns(given.text, "x.json");
    REQUIRE(!patterns);
    CHECK_THAT(patterns.error().message, Catch::Contains(given.message));
  }
  const auto missing = parse_method("minference:patterns=/nowhere/p.json");
  REQUIRE(!missing);
  CHECK_THAT(missing.error().message, Catch::Contains("/nowhere/p.json"));
}

TEST_CASE("each head has the pattern of its file, others the default, scaled alike",
          "[methods][minference]") {
  const test::TemporaryFolder folder;
  REQUIRE(
      write_file(folder.file("p.json"),
                 R"([{"1": ["stream_llm", 10, 20, 1]}, {"0": ["vertical_and_slash", 7, 9, 1]}])")
          .has_value());
  const auto choice =
      parse_method("minference:ratio=2,vertical=5,slash=6,patterns=" + folder.file("p.json"));
  REQUIRE(choice.has_value());
  const MinferenceSettings settings = minference_settings(choice->parameters);
  CHECK(settings.pattern(0, 1) == HeadPattern{PatternKind::kAShape, 20, 40, 1});
  CHECK(settings.pattern(0, 0) == HeadPattern{PatternKind::kVerticalSlash, 10, 12, 1});
  CHECK(settings.pattern(1, 0) == HeadPattern{PatternKind::kVerticalSlash, 14, 18, 1});
  CHECK(settings.pattern(2, 0) == HeadPattern{PatternKind::kVerticalSlash, 10, 12, 1});
}

}  // namespace
}  // namespace scsim::methods
