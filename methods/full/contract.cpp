// Full attention: every token attends all before it, and all of the cache is kept. The baseline
// that every other method is compared with.
#include "methods/contract.h"

#include "methods/method.h"

namespace scsim::methods {
namespace {

class FullContract final : public KvContract {
 public:
  PairBounds prefill_pairs(const AttentionLayer& layer, Tokens fresh,
                           Tokens cached) const override {
    const double pairs = causal_pairs(layer, fresh, cached);
    return {.least = pairs, .most = pairs};
  }
  Bytes kept_bytes(const AttentionLayer& layer, Tokens tokens) const override {
    return dense_bytes(layer, tokens);
  }
  DecodeReads decode_reads(const AttentionLayer& layer, Tokens tokens) const override {
    const Bytes all = dense_bytes(layer, tokens);
    return {.hbm = all, .host = Bytes{0}, .resident = all};
  }
  ReuseClass reuse(SessionMode) const override { return ReuseClass::kExact; }
};

}  // namespace

MethodEntry full_method() {
  return {.name = "full",
          .sentence = "full attention: attends and keeps everything",
          .category = "baseline",
          .source = "Vaswani et al. 2017, arXiv 1706.03762",
          .parameters = {},
          .make_contract = [](const MethodParameters&) -> std::unique_ptr<KvContract> {
            return std::make_unique<FullContract>();
          },
          .lossless = {""},
          .needs_attention = false};
}

}  // namespace scsim::methods
