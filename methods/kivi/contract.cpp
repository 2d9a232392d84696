// KIVI: the cache in 2 or 4 bits, but for its last tokens. Nothing is dropped, and every prompt is
// prefilled with its own keys and values as the model computes them.
#include "methods/contract.h"

#include <numeric>

#include "methods/kivi/rule.h"
#include "methods/method.h"

namespace scsim::methods {
namespace {

constexpr std::int64_t kHalf = 2;  // bytes of a minimum or a scale

class KiviContract final : public KvContract {
 public:
  explicit KiviContract(const KiviRule& rule) : rule_(rule) {}

  PairBounds prefill_pairs(const AttentionLayer& layer, Tokens fresh,
                           Tokens cached) const override {
    const double pairs = causal_pairs(layer, fresh, cached);
    return {.least = pairs, .most = pairs};
  }
  Bytes kept_bytes(const AttentionLayer& layer, Tokens tokens) const override {
    const std::int64_t packed = rule_.packed(tokens.value());
    return code_bytes(layer, packed) + metadata_bytes(layer, tokens) +
           dense_bytes(layer, tokens - Tokens{packed});
  }
  Bytes metadata_bytes(const AttentionLayer& layer, Tokens tokens) const override {
    const std::int64_t packed = rule_.packed(tokens.value());
    const std::int64_t of_keys = packed / rule_.group * layer.head_dim;
    const std::int64_t of_values = packed * (layer.head_dim / channels(layer));
    return Bytes{static_cast<double>(2 * kHalf * (of_keys + of_values) * layer.kv_heads)};
  }
  // Of what is packed, minima and scales included.
  double bits_per_element(const AttentionLayer& layer) const override {
    const double shared = 8.0 * 2 * kHalf;
    return rule_.bits + (shared / static_cast<double>(rule_.group) +
                         shared / static_cast<double>(channels(layer))) /
                            2;
  }
  // A first prompt, until it ends.
  Bytes peak_bytes(const AttentionLayer& layer, Tokens tokens) const override {
    return dense_bytes(layer, tokens);
  }
  Compresses compresses() const override {
    return rule_.first_prompt_only ? Compresses::kOnce : Compresses::kAtEveryAppend;
  }
  DecodeReads decode_reads(const AttentionLayer& layer, Tokens tokens) const override {
    const Bytes all = kept_bytes(layer, tokens);
    return {.hbm = all, .host = Bytes{0}, .resident = all};
  }
  ReuseClass reuse(SessionMode) const override { return ReuseClass::kLossy; }
  SecondQuestion second_question() const override {
    return rule_.first_prompt_only ? SecondQuestion::kAppendsInFull : SecondQuestion::kAppends;
  }

 private:
  std::int64_t channels(const AttentionLayer& layer) const {
    return std::gcd(rule_.group, layer.head_dim);
  }
  Bytes code_bytes(const AttentionLayer& layer, std::int64_t packed) const {
    return Bytes{static_cast<double>(2 * packed * layer.head_dim * layer.kv_heads * rule_.bits) /
                 8};
  }

  KiviRule rule_;
};

}  // namespace

MethodEntry kivi_method() {
  return {
      .name = "kivi",
      .sentence = "keys and values in 2 or 4 bits, the last ones in full precision",
      .category = "KV quantisation",
      .source = "Liu et al. 2024, arXiv 2402.02750; github.com/jy-yuan/KIVI",
      .parameters = {{.name = "bits",
                      .default_value = 0,
                      .sentence = "of a key and of a value",
                      .choices = {"2", "4"}},
                     {.name = "group",
                      .default_value = 32,
                      .min = 1,
                      .max = 1024,
                      .sentence = "tokens of a key's group, channels of a value's (where that "
                                  "does not divide a head, what divides both)"},
                     {.name = "residual",
                      .default_value = 32,
                      .min = 1,
                      .max = 1e9,
                      .sentence = "last tokens in full precision, rounded up to whole groups"},
                     {.name = "later",
                      .default_value = 0,
                      .sentence = "what becomes of tokens behind the first prompt",
                      .choices = {"quantised", "full"}}},
      .make_contract = [](const MethodParameters& given) -> std::unique_ptr<KvContract> {
        return std::make_unique<KiviContract>(KiviRule(given));
      },
      .presets = {{.name = "paper",
                   .sentence = "the paper's LongBench setting",
                   .numbers = {{"group", 32}, {"residual", 128}}},
                  {.name = "released",
                   .sentence = "the repository's example",
                   .numbers = {{"group", 32}, {"residual", 32}}},
                  {.name = "scbench",
                   .sentence = "as SCBench runs it: nothing is quantised behind the first prompt",
                   .numbers = {{"group", 32}, {"residual", 32}, {"later", 1}}}},
      .small = {"group=8,residual=16", "bits=4,group=16,residual=32",
                "group=8,residual=8,later=full"},
      .lossless = {"residual=100000", "bits=4,residual=100000,later=full"}};
}

}  // namespace scsim::methods
