#include <algorithm>
#include <catch2/catch.hpp>

#include "methods/a_shape/pattern.h"
#include "methods/method.h"

namespace scsim::methods {
namespace {

const AttentionLayer kLayer{.layer = 3,
                            .num_layers = 30,
                            .query_heads = 9,
                            .kv_heads = 3,
                            .head_dim = 64,
                            .element_bytes = 4};

// Row p attends key j <= p if j is among the first `init` or the last `local` up to p.
double counted(std::int64_t init, std::int64_t local, std::int64_t from, std::int64_t to) {
  double pairs = 0;
  for (std::int64_t p = from; p < to; ++p) {
    for (std::int64_t j = 0; j <= p; ++j) pairs += j < init || j > p - local ? 1 : 0;
  }
  return pairs;
}

TEST_CASE("A-shape attends the first and the last tokens, counted one by one",
          "[methods][a_shape]") {
  for (const std::int64_t init : {0, 1, 5, 64, 200}) {
    for (const std::int64_t local : {1, 7, 64, 300}) {
      for (const std::int64_t from : {0, 3, 90}) {
        for (const std::int64_t rows : {0, 1, 64, 130}) {
          CHECK(a_shape_pairs(init, local, from, from + rows) ==
                counted(init, local, from, from + rows));
        }
      }
    }
  }
}

TEST_CASE("A-shape's contract is its pattern on a first prompt and dense behind it",
          "[methods][a_shape]") {
  const auto dense = make_contract(*parse_method("a_shape:init=4,local=16"));
  const auto sparse = make_contract(*parse_method("a_shape:init=4,local=16,follow_ups=sparse"));
  const PairBounds first = dense->prefill_pairs(kLayer, Tokens{100}, Tokens{0});
  CHECK(first.exact());
  CHECK(first.least == 9 * counted(4, 16, 0, 100));
  CHECK(dense->prefill_pairs(kLayer, Tokens{30}, Tokens{100}).least ==
        causal_pairs(kLayer, Tokens{30}, Tokens{100}));
  CHECK(sparse->prefill_pairs(kLayer, Tokens{30}, Tokens{100}).least ==
        9 * counted(4, 16, 100, 130));
  CHECK(dense->kept_bytes(kLayer, Tokens{100}) == dense_bytes(kLayer, Tokens{100}));
  CHECK(dense->allows_chunked_prefill());
}

TEST_CASE("A-shape as SCBench has it attends 4,096 keys a row of a long prompt",
          "[methods][a_shape]") {
  const auto scbench = make_contract(*parse_method("a_shape"));
  const double more = scbench->prefill_pairs(kLayer, Tokens{10'001}, Tokens{0}).least -
                      scbench->prefill_pairs(kLayer, Tokens{10'000}, Tokens{0}).least;
  CHECK(more == 9 * 4096);
}

}  // namespace
}  // namespace scsim::methods
