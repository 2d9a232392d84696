// The contract of StreamingLLM: what it holds does not depend on what is said.
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

TEST_CASE("streaming_llm holds sinks and window, and what was appended if it evicts once",
          "[methods][streaming_llm]") {
  const std::vector<Tokens> prompts = {Tokens{1000}, Tokens{50}, Tokens{70}};
  const auto behind = [&](const std::string& method) {
    return make_contract(*parse_method(method))->kept_bytes_behind(kLayer, prompts).value();
  };
  CHECK(behind("streaming_llm:sinks=4,window=508") == 512 * 3 * kToken);
  CHECK(behind("streaming_llm:sinks=4,window=508,evict=once") == (512 + 120) * 3 * kToken);
  CHECK(behind("streaming_llm:sinks=4,window=5000") == 1120 * 3 * kToken);
}

TEST_CASE("streaming_llm attends no more than it holds, and serves others alike",
          "[methods][streaming_llm]") {
  const auto streaming = make_contract(*parse_method("streaming_llm:sinks=4,window=96"));
  const PairBounds pairs = streaming->prefill_pairs(kLayer, Tokens{10}, Tokens{400});
  CHECK(pairs.exact());
  CHECK(pairs.least == 9 * (10 * 100 + 55.0));
  CHECK(streaming->decode_reads(kLayer, Tokens{400}).hbm == Bytes{100 * 3 * kToken});
  for (const SessionMode mode : {SessionMode::kMultiTurn, SessionMode::kMultiRequest}) {
    CHECK(streaming->reuse(mode) == ReuseClass::kLossy);
  }
  CHECK(streaming->compresses() == Compresses::kAtEveryAppend);
  const auto released = make_contract(*parse_method("streaming_llm:preset=released"));
  CHECK(released->compresses() == Compresses::kOnce);
  CHECK(released->second_question() == SecondQuestion::kAppendsInFull);
}

}  // namespace scsim::methods
