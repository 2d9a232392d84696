#include <catch2/catch.hpp>

#include "methods/method.h"

namespace scsim::methods {
namespace {

Rewriting rewriting(const std::string& method, std::int64_t tokens) {
  const auto choice = parse_method(method);
  REQUIRE(choice.has_value());
  return make_contract(*choice)->rewrite(Tokens{tokens});
}

TEST_CASE("LLMLingua keeps its rate of the documents, a token more a segment at most",
          "[methods][llmlingua]") {
  const Rewriting of = rewriting("llmlingua:rate=0.3,segment=50", 1010);
  CHECK(of.aimed == Tokens{303});
  CHECK(of.least == Tokens{303});
  CHECK(of.most == Tokens{303 + 21});  // segments
  // One pass to choose documents, one over the segments, one over what stays of them.
  CHECK(of.read == Tokens{1010 + 1010 + 324});
  CHECK(rewriting("llmlingua:rate=0.3,segment=50,budget_factor=0", 1010).read ==
        Tokens{1010 + 324});
  CHECK(rewriting("llmlingua:rate=0.3", 1).most == Tokens{1});
}

TEST_CASE("at rate 1 LLMLingua reads nothing and keeps everything", "[methods][llmlingua]") {
  for (const char* method : {"llmlingua:rate=1", "llmlingua:preset=released,rate=1"}) {
    const Rewriting of = rewriting(method, 500);
    CHECK(of.least == Tokens{500});
    CHECK(of.most == Tokens{500});
    CHECK(of.read == Tokens{0});
  }
}

TEST_CASE("what the released rule keeps is the data's to say", "[methods][llmlingua]") {
  const Rewriting of = rewriting("llmlingua:preset=released", 1000);
  CHECK(of.aimed == Tokens{500});
  CHECK(of.least == Tokens{1});
  CHECK(of.most == Tokens{1000});
}

TEST_CASE("behind LLMLingua's rewriting all is full attention", "[methods][llmlingua]") {
  const AttentionLayer layer{.query_heads = 8, .kv_heads = 2, .head_dim = 64, .element_bytes = 4};
  const auto lingua = make_contract(*parse_method("llmlingua"));
  const auto full = make_contract(*parse_method("full"));
  CHECK(lingua->prefill_pairs(layer, Tokens{70}, Tokens{30}).most ==
        full->prefill_pairs(layer, Tokens{70}, Tokens{30}).most);
  CHECK(lingua->kept_bytes(layer, Tokens{100}) == full->kept_bytes(layer, Tokens{100}));
  CHECK(lingua->reuse(SessionMode::kMultiTurn) == ReuseClass::kLossy);
  CHECK_FALSE(lingua->needs_question());
}

TEST_CASE("a scorer that is not there is refused", "[methods][llmlingua]") {
  const auto choice = parse_method("llmlingua:model=/no/such/model");
  REQUIRE_FALSE(choice.has_value());
  CHECK(choice.error().message.find("/no/such/model") != std::string::npos);
}

}  // namespace
}  // namespace scsim::methods
