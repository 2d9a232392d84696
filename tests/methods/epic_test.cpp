#include <catch2/catch.hpp>

#include "methods/method.h"

namespace scsim::methods {
namespace {

const AttentionLayer kLayer{.layer = 0,
                            .num_layers = 30,
                            .query_heads = 9,
                            .kv_heads = 3,
                            .head_dim = 64,
                            .element_bytes = 4};

double pairs_of(const std::vector<std::int32_t>& rows, std::int64_t cached) {
  double pairs = 0;
  for (const std::int32_t row : rows) {
    for (std::int64_t key = 0; key <= cached + row; ++key) pairs += kLayer.query_heads;
  }
  return pairs;
}

TEST_CASE("EPIC computes the first tokens of one chunk at least, and all tokens at most",
          "[methods][epic]") {
  const auto epic = make_contract(*parse_method("epic:first=4"));
  const PairBounds bounds = epic->prefill_pairs(kLayer, Tokens{101}, Tokens{40});
  CHECK(bounds.least == pairs_of({0, 1, 2, 3, 100}, 40));
  CHECK(bounds.most == causal_pairs(kLayer, Tokens{101}, Tokens{40}));
  // Where a chunk is no longer than that, nothing is spared.
  CHECK(epic->prefill_pairs(kLayer, Tokens{5}, Tokens{40}).exact());
  CHECK(epic->prefill_pairs(kLayer, Tokens{1}, Tokens{0}).least == 9);
}

TEST_CASE("EPIC's pairs of two chunks are those of their first tokens and what is in none",
          "[methods][epic]") {
  const auto epic = make_contract(*parse_method("epic:first=2"));
  // Chunks at 3 .. 10 and 10 .. 17 of 20 tokens.
  const std::vector<std::int32_t> rows = {0, 1, 2, 3, 4, 10, 11, 17, 18, 19};
  CHECK(epic->prefill_pairs_given(kLayer, Tokens{20}, Tokens{0}, {rows}) == pairs_of(rows, 0));
}

TEST_CASE("what EPIC leaves is a whole cache, for documents at any place", "[methods][epic]") {
  const auto epic = make_contract(*parse_method("epic"));
  CHECK(epic->kept_bytes(kLayer, Tokens{100}) == Bytes{2.0 * 100 * 3 * 64 * 4});
  CHECK(epic->reuse(SessionMode::kMultiTurn) == ReuseClass::kPositionFree);
  CHECK(epic->heads_are_independent());
}

}  // namespace
}  // namespace scsim::methods
