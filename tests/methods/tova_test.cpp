// The contract of TOVA.
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
constexpr double kToken = 2.0 * 64 * 4;  // K and V of one token of one head

}  // namespace

TEST_CASE("tova never holds more than its budget, and all heads choose together",
          "[methods][tova]") {
  const auto tova = make_contract(*parse_method("tova:budget=512"));
  CHECK(tova->kept_bytes(kLayer, Tokens{300}) == Bytes{300 * 3 * kToken});
  CHECK(tova->kept_bytes(kLayer, Tokens{9000}) == Bytes{512 * 3 * kToken});
  CHECK(tova->peak_bytes(kLayer, Tokens{9000}) == Bytes{9000 * 3 * kToken});
  CHECK(tova->prefill_pairs(kLayer, Tokens{10}, Tokens{9000}).exact());
  CHECK_FALSE(tova->heads_are_independent());
  CHECK(tova->reuse(SessionMode::kMultiTurn) == ReuseClass::kQueryBound);
  CHECK(tova->reuse(SessionMode::kMultiRequest) == ReuseClass::kLossy);
}

}  // namespace scsim::methods
