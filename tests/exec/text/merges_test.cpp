#include "exec/text/merges.h"

#include <catch2/catch.hpp>
#include <map>

#include "traces/rng.h"

namespace scsim::exec {
namespace {

using Ids = std::vector<std::int32_t>;
using Table = std::map<std::pair<std::int32_t, std::int32_t>, Merges::Merge>;

// The definition: look through all pairs, merge the leftmost of the lowest rank, again.
Ids slowly(Ids symbols, const Table& table) {
  while (true) {
    std::size_t best = symbols.size();
    std::uint32_t rank = Merges::kNoRank;
    for (std::size_t i = 0; i + 1 < symbols.size(); ++i) {
      const auto found = table.find({symbols[i], symbols[i + 1]});
      if (found == table.end() || found->second.rank >= rank) continue;
      best = i;
      rank = found->second.rank;
    }
    if (best == symbols.size()) return symbols;
    symbols[best] = table.at({symbols[best], symbols[best + 1]}).id;
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(best) + 1);
  }
}

TEST_CASE("merging gives what looking through all pairs again and again gives", "[exec][text]") {
  Rng rng(1, "tests.merges");
  for (int round = 0; round < 400; ++round) {
    // Random merges of symbols made before; in odd rounds several share a rank.
    Table table;
    Merges merges;
    std::int32_t symbols = 4;
    for (std::uint32_t rank = 0; rank < 40; ++rank) {
      const auto left = static_cast<std::int32_t>(rng.below(static_cast<std::uint64_t>(symbols)));
      const auto right = static_cast<std::int32_t>(rng.below(static_cast<std::uint64_t>(symbols)));
      const Merges::Merge merge{round % 2 == 0 ? rank : rank / 4, symbols++};
      table[{left, right}] = merge;
      merges.add(left, right, merge);
    }
    CHECK(merges.size() == table.size());
    for (const std::size_t length : {0u, 1u, 2u, 7u, 31u, 32u, 33u, 90u, 400u}) {
      Ids word;
      for (std::size_t i = 0; i < length; ++i) {
        word.push_back(static_cast<std::int32_t>(rng.below(4)));
      }
      Ids merged = word;
      merges.apply(merged);
      REQUIRE(merged == slowly(word, table));
    }
  }
}

TEST_CASE("of two merges of one pair the last holds", "[exec][text]") {
  Merges merges;
  merges.add(1, 2, {5, 7});
  merges.add(1, 2, {6, 8});
  CHECK(merges.size() == 1);
  CHECK(merges.find(1, 2).id == 8);
  CHECK(merges.find(2, 1).rank == Merges::kNoRank);
}

TEST_CASE("a megabyte of one letter merges into runs, longest first", "[exec][text]") {
  // a a -> b, b b -> c, c c -> d: 2^20 letters are 2^17 runs of eight. Looking through all pairs
  // again and again would take 10^12 steps; a heap takes some 10^7.
  Merges merges;
  for (std::int32_t id = 0; id < 3; ++id) {
    merges.add(id, id, {static_cast<std::uint32_t>(id), id + 1});
  }
  Ids word(1 << 20, 0);
  merges.apply(word);
  CHECK(word == Ids(1 << 17, 3));
}

}  // namespace
}  // namespace scsim::exec
