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

// Number by number: which bits each key and value has behind a prompt.
double counted_bytes(std::int64_t tokens, int bits, std::int64_t group, std::int64_t residual) {
  // A value leaves the window when `residual` tokens follow it; its key has then been quantised
  // with those of its window; and a block closes when all its tokens are both.
  std::int64_t packed = 0;
  for (std::int64_t block = 0; (block + 1) * group <= tokens; ++block) {
    bool whole = true;
    for (std::int64_t t = block * group; t < (block + 1) * group; ++t) {
      const bool value = tokens - 1 - t >= residual;
      const bool key = t / residual < tokens / residual;
      whole = whole && value && key;
    }
    if (whole) packed += group;
  }
  double total = 0;
  for (std::int64_t t = 0; t < tokens; ++t) {
    total += t < packed ? 2.0 * 64 * bits / 8 : 2.0 * 64 * 4;
  }
  for (std::int64_t b = 0; b < packed / group; ++b) {
    total += 64 * 2 * 2;                      // a minimum and a scale of each channel
    total += group * (64.0 / group) * 2 * 2;  // of each token's groups of channels
  }
  return 3 * total;  // kv heads
}

TEST_CASE("kivi keeps the bytes that its numbers take, counted one by one", "[methods][kivi]") {
  for (const int bits : {2, 4}) {
    for (const std::int64_t residual : {32, 128}) {
      const auto kivi = make_contract(*parse_method("kivi:bits=" + std::to_string(bits) +
                                                    ",residual=" + std::to_string(residual)));
      for (std::int64_t tokens = 0; tokens < 420; ++tokens) {
        CHECK(kivi->kept_bytes(kLayer, Tokens{tokens}) ==
              Bytes{counted_bytes(tokens, bits, 32, residual)});
      }
    }
  }
}

TEST_CASE("a packed element has 3 or 5 bits, its share of minima and scales included",
          "[methods][kivi]") {
  // A group of 32 shares 32 bits of minimum and scale.
  CHECK(make_contract(*parse_method("kivi:bits=2"))->bits_per_element(kLayer) == 3);
  CHECK(make_contract(*parse_method("kivi:bits=4"))->bits_per_element(kLayer) == 5);
  // A head of 16 channels has groups of 16: keys of 2 + 1 and values of 2 + 2 bits.
  AttentionLayer narrow = kLayer;
  narrow.head_dim = 16;
  CHECK(make_contract(*parse_method("kivi:bits=2"))->bits_per_element(narrow) == 3.5);
  // And bytes agree: what more tokens in multiples of the group add is packed.
  const auto kivi = make_contract(*parse_method("kivi:bits=2"));
  const double more =
      (kivi->kept_bytes(kLayer, Tokens{64000}) - kivi->kept_bytes(kLayer, Tokens{32000})).value();
  CHECK(more == 32000.0 * 2 * 3 * 64 * 3 / 8);
}

TEST_CASE("kivi drops nothing and attends everything", "[methods][kivi]") {
  const auto kivi = make_contract(*parse_method("kivi"));
  const PairBounds pairs = kivi->prefill_pairs(kLayer, Tokens{100}, Tokens{40});
  CHECK(pairs.exact());
  CHECK(pairs.least == causal_pairs(kLayer, Tokens{100}, Tokens{40}));
  CHECK(kivi->peak_bytes(kLayer, Tokens{1000}) == dense_bytes(kLayer, Tokens{1000}));
  CHECK(kivi->decode_reads(kLayer, Tokens{1000}).hbm == kivi->kept_bytes(kLayer, Tokens{1000}));
  CHECK(kivi->reuse(SessionMode::kMultiRequest) == ReuseClass::kLossy);
  CHECK(kivi->compresses() == Compresses::kAtEveryAppend);
  CHECK_FALSE(kivi->needs_question());
}

TEST_CASE("kivi's window is rounded up to whole groups", "[methods][kivi]") {
  const auto asked = make_contract(*parse_method("kivi:residual=33"));
  const auto rounded = make_contract(*parse_method("kivi:residual=64"));
  for (std::int64_t tokens = 0; tokens < 200; ++tokens) {
    CHECK(asked->kept_bytes(kLayer, Tokens{tokens}) == rounded->kept_bytes(kLayer, Tokens{tokens}));
  }
}

}  // namespace
}  // namespace scsim::methods
