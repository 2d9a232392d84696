#include <catch2/catch.hpp>

#include "methods/method.h"

namespace scsim::methods {
namespace {

const AttentionLayer kLayer{.layer = 3,
                            .num_layers = 30,
                            .query_heads = 9,
                            .kv_heads = 3,
                            .head_dim = 64,
                            .element_bytes = 4};

TEST_CASE("a request behind a cached prefix pays what full attention pays there",
          "[methods][prefix_cache]") {
  const auto prefix = make_contract(*parse_method("prefix_cache"));
  for (const std::int64_t fresh : {1, 7, 64}) {
    for (const std::int64_t cached : {0, 16, 160}) {
      double pairs = 0;
      for (std::int64_t query = cached; query < cached + fresh; ++query) {
        for (std::int64_t key = 0; key <= query; ++key) pairs += kLayer.query_heads;
      }
      const PairBounds bounds = prefix->prefill_pairs(kLayer, Tokens{fresh}, Tokens{cached});
      CHECK(bounds.exact());
      CHECK(bounds.least == pairs);
    }
  }
  const double bytes = 2.0 * 100 * 3 * 64 * 4;  // K and V, tokens, kv heads, head_dim, float32
  CHECK(prefix->kept_bytes(kLayer, Tokens{100}) == Bytes{bytes});
  CHECK(prefix->decode_reads(kLayer, Tokens{100}).hbm == Bytes{bytes});
}

TEST_CASE("a prefix cache serves any session, exactly", "[methods][prefix_cache]") {
  const auto prefix = make_contract(*parse_method("prefix_cache"));
  for (const SessionMode mode : {SessionMode::kMultiTurn, SessionMode::kMultiRequest}) {
    CHECK(prefix->reuse(mode) == ReuseClass::kExact);
  }
  CHECK(prefix->addressable() == Addressable::kEveryPrefix);
  CHECK(prefix->allows_chunked_prefill());
}

}  // namespace
}  // namespace scsim::methods
