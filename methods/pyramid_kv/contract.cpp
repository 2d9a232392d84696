// PyramidKV: SnapKV with a budget of its own for each layer, so that layers are ragged.
#include <algorithm>

#include "methods/dropping_contract.h"
#include "methods/pyramid_kv/parameters.h"
#include "methods/snapkv/parameters.h"

namespace scsim::methods {
namespace {

class PyramidKvContract final : public DroppingContract {
 public:
  explicit PyramidKvContract(const MethodParameters& parameters)
      : DroppingContract({.by_query_head = window_vote(parameters).group == GroupVote::kEach,
                          .at_every_append = window_vote(parameters).at_every_append,
                          .with_question = true}),
        shape_(pyramid_shape(parameters)) {}

 private:
  Tokens most_kept(const AttentionLayer& layer, Tokens seen) const override {
    return pyramid_budget(shape_, layer.layer, layer.num_layers, seen);
  }
  // No layer's share falls below the last layer's of a long prompt.
  Tokens fewest_kept(const AttentionLayer&, Tokens) const override {
    return Tokens{std::min(shape_.budget, std::max(shape_.window, shape_.budget / shape_.beta))};
  }

  PyramidShape shape_;
};

}  // namespace

MethodEntry pyramid_kv_method() {
  std::vector<MethodParameter> parameters = {
      {.name = "budget",
       .default_value = 4096,
       .min = 1,
       .max = 1e9,
       .sentence = "tokens that a head keeps in the mean over layers"},
      {.name = "beta",
       .default_value = 20,
       .min = 1,
       .max = 1000,
       .sentence = "steepness: the last layer's share is 1 / beta of the mean"},
      {.name = "formula",
       .default_value = 0,
       .min = 0,
       .max = 1,
       .sentence = "whose arithmetic makes the layers' shares",
       .choices = {"released", "kvpress"}}};
  for (MethodParameter& each : window_vote_parameters()) parameters.push_back(std::move(each));
  return {.name = "pyramid_kv",
          .sentence = "SnapKV with more tokens for the first layers than for the last",
          .category = "KV dropping",
          .source = "Cai et al. 2024, arXiv 2406.02069; github.com/Zefan-Cai/KVCache-Factory",
          .parameters = std::move(parameters),
          .make_contract = [](const MethodParameters& given) -> std::unique_ptr<KvContract> {
            return std::make_unique<PyramidKvContract>(given);
          },
          .presets = {{.name = "released",
                       .sentence = "as SCBench runs it, each query head for itself",
                       .numbers = {{"budget", 4096},
                                   {"window", 32},
                                   {"kernel", 5},
                                   {"beta", 20},
                                   {"formula", 0},
                                   {"group", 2}}},
                      {.name = "kvpress",
                       .sentence = "kvpress's shares and window, heads of a group voting together",
                       .numbers = {{"window", 64}, {"formula", 1}, {"group", 0}}},
                      {.name = "every_append",
                       .sentence = "compressed again behind every prompt, its question in view",
                       .numbers = {{"compress", 1}}}},
          .small = {"budget=24,window=8,kernel=3,beta=4", "budget=40,window=8,group=each",
                    "budget=48,window=4,beta=3,formula=kvpress",
                    "budget=40,window=8,group=each,compress=every_append"},
          .lossless = {"budget=100000"}};
}

}  // namespace scsim::methods
