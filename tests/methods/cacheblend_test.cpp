#include <catch2/catch.hpp>
#include <cmath>

#include "methods/cacheblend/share.h"
#include "methods/method.h"

namespace scsim::methods {
namespace {

const AttentionLayer kFirst{.layer = 0,
                            .num_layers = 30,
                            .query_heads = 9,
                            .kv_heads = 3,
                            .head_dim = 64,
                            .element_bytes = 4};
AttentionLayer layer(std::int64_t number) {
  AttentionLayer of = kFirst;
  of.layer = number;
  return of;
}

double pairs_of(const std::vector<std::int32_t>& rows, std::int64_t cached) {
  double pairs = 0;
  for (const std::int32_t row : rows) {
    for (std::int64_t key = 0; key <= cached + row; ++key) pairs += kFirst.query_heads;
  }
  return pairs;
}

TEST_CASE("CacheBlend computes all rows up to its check, and some behind it",
          "[methods][cacheblend]") {
  const auto blend = make_contract(*parse_method("cacheblend:ratio=0.25,check=1"));
  const Tokens fresh{101}, cached{40};
  for (const std::int64_t number : {0, 1}) {
    const PairBounds bounds = blend->prefill_pairs(layer(number), fresh, cached);
    CHECK(bounds.exact());
    CHECK(bounds.most == causal_pairs(layer(number), fresh, cached));
  }
  // At most all of them are in no document. At least a quarter of 100 are computed, the first ones,
  // and the last of all.
  std::vector<std::int32_t> fewest;
  for (std::int32_t i = 0; i < 25; ++i) fewest.push_back(i);
  fewest.push_back(100);
  for (const std::int64_t number : {2, 29}) {
    const PairBounds bounds = blend->prefill_pairs(layer(number), fresh, cached);
    CHECK(bounds.least == pairs_of(fewest, 40));
    CHECK(bounds.most == causal_pairs(layer(number), fresh, cached));
  }
}

TEST_CASE("the pairs of given rows are counted one by one", "[methods][cacheblend]") {
  const std::vector<std::int32_t> rows = {0, 3, 4, 50, 100};
  const auto blend = make_contract(*parse_method("cacheblend"));
  CHECK(blend->prefill_pairs_given(layer(2), Tokens{101}, Tokens{7}, {rows}) == pairs_of(rows, 7));
  // As released code masks, five rows attend as if they were the last five tokens.
  const auto released = make_contract(*parse_method("cacheblend:preset=released"));
  CHECK(released->prefill_pairs_given(layer(2), Tokens{101}, Tokens{7}, {rows}) ==
        pairs_of({96, 97, 98, 99, 100}, 7));
}

TEST_CASE("shares fall evenly and have the ratio as their mean", "[methods][cacheblend]") {
  const RecomputeShare share{.ratio = 0.15, .check = 1, .spread = 0.4};
  CHECK(share.into(0, 30) == 1);
  CHECK(share.into(1, 30) == 1);
  double sum = 0;
  for (std::int64_t number = 2; number < 30; ++number) {
    sum += share.into(number, 30);
    if (number > 2) CHECK(share.into(number, 30) < share.into(number - 1, 30));
  }
  CHECK(share.into(2, 30) == Approx(0.15 * 1.4));
  CHECK(share.into(29, 30) == Approx(0.15 * 0.6));
  CHECK(sum / 28 == Approx(0.15));
  CHECK(RecomputeShare{.ratio = 0.15, .check = 1, .spread = 0}.into(2, 30) == 0.15);
}

TEST_CASE("what CacheBlend leaves is a whole cache, for documents at any place",
          "[methods][cacheblend]") {
  const auto blend = make_contract(*parse_method("cacheblend"));
  const double bytes = 2.0 * 100 * 3 * 64 * 4;  // K and V, tokens, kv heads, head_dim, float32
  CHECK(blend->kept_bytes(kFirst, Tokens{100}) == Bytes{bytes});
  CHECK(blend->decode_reads(kFirst, Tokens{100}).hbm == Bytes{bytes});
  CHECK(blend->reuse(SessionMode::kMultiRequest) == ReuseClass::kPositionFree);
  CHECK_FALSE(blend->allows_chunked_prefill());
  CHECK_FALSE(blend->heads_are_independent());
}

}  // namespace
}  // namespace scsim::methods
