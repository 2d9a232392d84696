// CacheBlend: chunks come with the keys and values they had by themselves; up to the layer of the
// check every row is computed, and behind it only the rows whose values turned out most unlike the
// stored ones, and all that stands in no chunk.
#include <algorithm>

#include "methods/cacheblend/share.h"
#include "methods/chunk_parameters.h"

namespace scsim::methods {
namespace {

class CacheBlendContract final : public ChunkReuseContract {
 public:
  explicit CacheBlendContract(const MethodParameters& parameters)
      : ChunkReuseContract(chunk_parameters(parameters)), share_(recompute_share(parameters)) {}

  PairBounds prefill_pairs(const AttentionLayer& layer, Tokens fresh,
                           Tokens cached) const override {
    if (fresh == Tokens{0}) return {};
    // The fewest where all but the last token stand in chunks.
    const double share = share_.into(layer.layer, layer.num_layers);
    return pairs_of(layer, fresh, cached, rows_of(share, fresh.value() - 1) + 1);
  }
  // Which rows go on is told by the values of all heads.
  bool heads_are_independent() const override { return false; }

 private:
  RecomputeShare share_;
};

}  // namespace

MethodEntry cacheblend_method() {
  std::vector<MethodParameter> parameters = {
      {.name = "ratio",
       .default_value = 0.15,
       .min = 0,
       .max = 1,
       .sentence = "share of the chunks' rows that is computed behind the check, of all layers"},
      {.name = "check",
       .default_value = 1,
       .min = 1,
       .max = 1000,
       .sentence = "layer up to which all rows are computed, and where they are compared; in layer "
                   "0 nothing "
                   "differs yet"},
      {.name = "spread",
       .default_value = 0,
       .min = 0,
       .max = 1,
       .sentence = "0: rows are chosen once; else again at each layer, from 1 + spread times the "
                   "ratio down to 1 - spread"},
      {.name = "compare",
       .default_value = 0,
       .min = 0,
       .max = 1,
       .sentence = "by squared differences of values, or of keys and values",
       .choices = {"values", "keys_and_values"}}};
  for (MethodParameter& each : chunk_parameters()) parameters.push_back(std::move(each));
  return {.name = "cacheblend",
          .sentence = "reuses documents' caches anywhere and computes the rows that differ most",
          .category = "KV retrieval",
          .source = "Yao et al. 2025 (EuroSys), arXiv 2405.16444; github.com/YaoJiayi/CacheBlend",
          .parameters = std::move(parameters),
          .make_contract = [](const MethodParameters& given) -> std::unique_ptr<KvContract> {
            return std::make_unique<CacheBlendContract>(given);
          },
          .presets = {{.name = "paper",
                       .sentence = "fewer rows layer by layer, by keys and values (the paper gives "
                                   "no schedule: 1.2 to 0.8 times the ratio)",
                       .numbers = {{"ratio", 0.15}, {"spread", 0.2}, {"compare", 1}}},
                      {.name = "released",
                       .sentence = "the authors' code, its mask included",
                       .numbers = {{"ratio", 0.16}, {"lead", 4}, {"mask", 1}}},
                      {.name = "scbench",
                       .sentence = "chunks of 256 tokens, as SCBench runs it on LMCache",
                       .numbers = {{"ratio", 0.15}, {"chunk", 256}}}},
          .small = {"ratio=0.3", "ratio=0.4,spread=0.5,compare=keys_and_values,chunk=16",
                    "ratio=0.2,mask=bottom_right,lead=3", "ratio=0,chunk=7"},
          .lossless = {"ratio=1", "ratio=1,chunk=11"}};
}

}  // namespace scsim::methods
