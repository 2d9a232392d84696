// The contract of SnapKV, which is that of most methods that drop tokens.
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

double kept(const std::string& method, std::int64_t tokens) {
  return make_contract(*parse_method(method))->kept_bytes(kLayer, Tokens{tokens}).value();
}

}  // namespace

TEST_CASE("snapkv keeps its budget in each kv head, or in each query head", "[methods][snapkv]") {
  CHECK(kept("snapkv:budget=512", 512) == 512 * 3 * kToken);
  CHECK(kept("snapkv:budget=512", 8000) == 512 * 3 * kToken);
  // As released: three query heads of a group hold their own, three times the bytes.
  CHECK(kept("snapkv:preset=released,budget=512", 8000) == 512 * 9 * kToken);
  CHECK(kept("snapkv:preset=released,budget=512", 300) == 300 * 3 * kToken);
}

TEST_CASE("snapkv's cache is bound to the question where one was in view", "[methods][snapkv]") {
  const auto once = make_contract(*parse_method("snapkv"));
  CHECK(once->reuse(SessionMode::kMultiTurn) == ReuseClass::kQueryBound);
  CHECK(once->reuse(SessionMode::kMultiRequest) == ReuseClass::kLossy);
  CHECK(once->addressable() == Addressable::kWhole);
  CHECK(once->compresses() == Compresses::kOnce);
  CHECK(once->second_question() == SecondQuestion::kAppendsInFull);
  const auto anew = make_contract(*parse_method("snapkv:preset=every_append"));
  CHECK(anew->compresses() == Compresses::kAtEveryAppend);
  CHECK(anew->second_question() == SecondQuestion::kCompressesAnew);
}

TEST_CASE("bytes behind several prompts: in full behind the first, or never over the budget",
          "[methods][snapkv]") {
  const std::vector<Tokens> prompts = {Tokens{1000}, Tokens{50}, Tokens{70}};
  const auto behind = [&](const std::string& method) {
    return make_contract(*parse_method(method))->kept_bytes_behind(kLayer, prompts).value();
  };
  CHECK(behind("snapkv:budget=512") == (512 + 120) * 3 * kToken);
  CHECK(behind("snapkv:budget=512,group=each") == (512 + 120) * 9 * kToken);
  CHECK(behind("snapkv:budget=1000") == 1120 * 3 * kToken);  // the first was within it
  CHECK(behind("snapkv:budget=1100,compress=every_append") == 1100 * 3 * kToken);
}

TEST_CASE("pairs behind a cache lie between what may be held of it", "[methods][snapkv]") {
  const auto snapkv = make_contract(*parse_method("snapkv:budget=100"));
  const PairBounds first = snapkv->prefill_pairs(kLayer, Tokens{500}, Tokens{0});
  CHECK(first.exact());
  CHECK(first.least == 9 * 500 * 501 / 2.0);
  CHECK(snapkv->prefill_pairs(kLayer, Tokens{10}, Tokens{80}).exact());
  const PairBounds later = snapkv->prefill_pairs(kLayer, Tokens{10}, Tokens{400});
  CHECK(later.least == 9 * (10 * 100 + 55.0));
  CHECK(later.most == 9 * (10 * 400 + 55.0));
}

}  // namespace scsim::methods
