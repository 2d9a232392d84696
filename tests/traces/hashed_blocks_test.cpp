#include "traces/hashed_blocks.h"

#include <catch2/catch.hpp>
#include <limits>
#include <map>
#include <set>

#include "tests/oracle/block_replay.h"
#include "tests/support/temporary_folder.h"
#include "traces/rng.h"

namespace scsim::test {
namespace {

TEST_CASE("spans of hashed blocks are equal exactly where the ids are", "[traces][import]") {
  TemporaryFolder folder;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    Rng rng(seed, "test.hashed_blocks");
    Expected<TraceWriter> writer = TraceWriter::create(folder.file("a.pb"), {});
    REQUIRE(writer.has_value());
    const Tokens block(static_cast<std::int64_t>(1 + rng.below(4)));
    HashedBlocks blocks(block);
    // Few ids, so that they return in every order, twice in one prompt, and cut short at its end.
    std::map<std::uint64_t, std::vector<Span>> whole;  // the slice of each id that was seen whole
    std::set<std::vector<std::int64_t>> slices;
    for (int request = 0; request < 30; ++request) {
      std::vector<std::uint64_t> ids(1 + rng.below(8));
      for (std::uint64_t& id : ids) id = rng.below(12);
      const Tokens tokens =
          block * static_cast<std::int64_t>(ids.size()) -
          Tokens(static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(block.value()))));
      REQUIRE(blocks.check_fits(ids, tokens).has_value());
      Request made;
      blocks.append(ids, tokens, *writer, made.prompt);
      CHECK(made.prompt_tokens() == tokens);
      for (std::size_t i = 1; i < made.prompt.size(); ++i) {
        const Span &before = made.prompt[i - 1], &after = made.prompt[i];
        CHECK_FALSE(
            (before.content == after.content && before.first + before.count == after.first));
      }
      const std::vector<std::vector<Span>> cut = cut_into_blocks(made, block);
      REQUIRE(cut.size() == ids.size());
      for (std::size_t i = 0; i < ids.size(); ++i) {
        REQUIRE(cut[i].size() == 1);  // a block is within one content
        Span slice = cut[i][0];
        CHECK(slice.first.value() % block.value() == 0);
        slice.count = block;
        auto [known, is_new] = whole.try_emplace(ids[i], std::vector<Span>{slice});
        CHECK(known->second[0] == slice);
        if (is_new) {
          CHECK(
              slices.insert({static_cast<std::int64_t>(slice.content.value()), slice.first.value()})
                  .second);
        }
      }
    }
  }
}

TEST_CASE("a list of ids that does not fit its length is told how long it should be",
          "[traces][import]") {
  const HashedBlocks blocks(Tokens(512));
  const std::vector<std::uint64_t> two = {1, 2};
  CHECK(blocks.check_fits(two, Tokens(513)).has_value());
  CHECK(blocks.check_fits(two, Tokens(1024)).has_value());
  CHECK(blocks.check_fits(two, Tokens(1025)).error().message ==
        "2 ids for 1,025 tokens; expected 3 (blocks of 512)");
  CHECK_FALSE(blocks.check_fits(two, Tokens(512)).has_value());
  CHECK_FALSE(blocks.check_fits(two, Tokens(std::numeric_limits<std::int64_t>::max())).has_value());
}

}  // namespace
}  // namespace scsim::test
