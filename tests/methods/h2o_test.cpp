// The contract of H2O.
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
constexpr double kRemembered = 4 + 4;    // its score and its number

}  // namespace

TEST_CASE("h2o keeps its budget, and of each token a score and a number", "[methods][h2o]") {
  const auto h2o = make_contract(*parse_method("h2o:budget=512"));
  CHECK(h2o->kept_bytes(kLayer, Tokens{300}) == Bytes{300 * 3 * (kToken + kRemembered)});
  CHECK(h2o->kept_bytes(kLayer, Tokens{9000}) == Bytes{512 * 3 * (kToken + kRemembered)});
  CHECK(h2o->metadata_bytes(kLayer, Tokens{9000}) == Bytes{512 * 3 * kRemembered});
  CHECK(h2o->peak_bytes(kLayer, Tokens{9000}) == Bytes{9000 * 3 * (kToken + kRemembered)});
  CHECK(h2o->second_question() == SecondQuestion::kCompressesAnew);
  CHECK(h2o->reuse(SessionMode::kMultiTurn) == ReuseClass::kQueryBound);
  CHECK(h2o->reuse(SessionMode::kMultiRequest) == ReuseClass::kLossy);

  // Query heads that choose for themselves remember for themselves from the start.
  const auto each = make_contract(*parse_method("h2o:preset=paper,budget=512"));
  CHECK(each->kept_bytes(kLayer, Tokens{300}) == Bytes{300 * (3 * kToken + 9 * kRemembered)});
  CHECK(each->kept_bytes(kLayer, Tokens{9000}) == Bytes{512 * 9 * (kToken + kRemembered)});
}

}  // namespace scsim::methods
