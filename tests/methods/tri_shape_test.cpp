#include <algorithm>
#include <catch2/catch.hpp>

#include "methods/method.h"

namespace scsim::methods {
namespace {

AttentionLayer layer(std::int64_t number) {
  return {.layer = number,
          .num_layers = 30,
          .query_heads = 9,
          .kv_heads = 3,
          .head_dim = 64,
          .element_bytes = 4};
}

TEST_CASE("Tri-shape is A-shape whose last rows attend everything, counted one by one",
          "[methods][tri_shape]") {
  const auto tri = make_contract(*parse_method("tri_shape:init=4,local=16,last=10"));
  for (const std::int64_t tokens : {1, 9, 10, 11, 25, 100}) {
    double pairs = 0;
    for (std::int64_t p = 0; p < tokens; ++p) {
      for (std::int64_t j = 0; j <= p; ++j) {
        pairs += j < 4 || j > p - 16 || p >= tokens - 10 ? 9 : 0;
      }
    }
    const PairBounds bounds = tri->prefill_pairs(layer(0), Tokens{tokens}, Tokens{0});
    CHECK(bounds.exact());
    CHECK(bounds.least == pairs);
  }
  CHECK_FALSE(tri->allows_chunked_prefill());
}

TEST_CASE("Tri-shape without last rows is A-shape", "[methods][tri_shape]") {
  const auto tri = make_contract(*parse_method("tri_shape:last=0"));
  const auto a_shape = make_contract(*parse_method("a_shape"));
  for (const std::int64_t tokens : {100, 5000, 20'000}) {
    CHECK(tri->prefill_pairs(layer(0), Tokens{tokens}, Tokens{0}).least ==
          a_shape->prefill_pairs(layer(0), Tokens{tokens}, Tokens{0}).least);
  }
}

// TriangleMix, as published for Llama-3.1-8B: layers from 16 on, 8 first tokens, 512 local ones,
// 128 last rows.
TEST_CASE("Tri-shape's preset trianglemix is dense in its first layers", "[methods][tri_shape]") {
  const auto mix = make_contract(*parse_method("tri_shape:preset=trianglemix"));
  const auto tri = make_contract(*parse_method("tri_shape:init=8,local=512,last=128"));
  for (const std::int64_t tokens : {100, 5000}) {
    CHECK(mix->prefill_pairs(layer(15), Tokens{tokens}, Tokens{0}).least ==
          causal_pairs(layer(15), Tokens{tokens}, Tokens{0}));
    CHECK(mix->prefill_pairs(layer(16), Tokens{tokens}, Tokens{0}).least ==
          tri->prefill_pairs(layer(16), Tokens{tokens}, Tokens{0}).least);
  }
}

}  // namespace
}  // namespace scsim::methods
