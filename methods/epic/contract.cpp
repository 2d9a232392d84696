// EPIC, LegoLink-k (AttnLink-k in the paper's first version): of every chunk but one that the
// prompt begins with, the first k tokens are computed, since the first tokens of what was prefilled
// by itself have drawn attention that the whole prompt would not give them; all others come as they
// were stored, in all layers.
#include <algorithm>

#include "methods/chunk_parameters.h"

namespace scsim::methods {
namespace {

class EpicContract final : public ChunkReuseContract {
 public:
  explicit EpicContract(const MethodParameters& parameters)
      : ChunkReuseContract(chunk_parameters(parameters)),
        first_(static_cast<std::int64_t>(parameters.at("first"))) {}

  PairBounds prefill_pairs(const AttentionLayer& layer, Tokens fresh,
                           Tokens cached) const override {
    if (fresh == Tokens{0}) return {};
    // The fewest where all but the last token are one chunk.
    return pairs_of(layer, fresh, cached, std::min(first_, fresh.value() - 1) + 1);
  }

 private:
  std::int64_t first_;
};

}  // namespace

MethodEntry epic_method() {
  std::vector<MethodParameter> parameters = {
      {.name = "first",
       .default_value = 16,
       .min = 0,
       .max = 1e9,
       .sentence = "tokens at the beginning of each chunk that are computed; 0: keys are turned to "
                   "their positions and nothing else"}};
  for (MethodParameter& each : chunk_parameters()) {
    if (each.name == "lead") each.default_value = 0;
    parameters.push_back(std::move(each));
  }
  return {.name = "epic",
          .sentence = "reuses documents' caches anywhere and computes the first tokens of each",
          .category = "KV retrieval",
          .source = "Hu et al. 2024, arXiv 2410.15332",
          .parameters = std::move(parameters),
          .make_contract = [](const MethodParameters& given) -> std::unique_ptr<KvContract> {
            return std::make_unique<EpicContract>(given);
          },
          .presets = {{.name = "paper", .sentence = "LegoLink-16", .numbers = {{"first", 16}}},
                      {.name = "legolink_32",
                       .sentence = "the larger of the two that the paper recommends",
                       .numbers = {{"first", 32}}}},
          .small = {"first=3", "first=2,chunk=16,lead=2", "first=0,mask=bottom_right"},
          .lossless = {"first=1000000", "first=9,chunk=9"}};
}

}  // namespace scsim::methods
