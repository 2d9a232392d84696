// SnapKV: behind a prompt of more tokens than its budget a head keeps the last ones, the window,
// and of the others those that the window's queries attend most.
//
// `paper` and `released` differ in who chooses. The paper describes heads that choose for
// themselves; so does the released code, which repeats each kv head for its query heads first and
// then holds query heads times the budget. With grouped queries that is more memory than the
// budget says, so that the default, as kvpress has it, lets a group's query heads vote together.
#include "methods/dropping_contract.h"
#include "methods/snapkv/parameters.h"

namespace scsim::methods {
namespace {

class SnapKvContract final : public DroppingContract {
 public:
  explicit SnapKvContract(const MethodParameters& parameters)
      : DroppingContract({.by_query_head = window_vote(parameters).group == GroupVote::kEach,
                          .at_every_append = window_vote(parameters).at_every_append,
                          .with_question = true}),
        budget_(static_cast<std::int64_t>(parameters.at("budget"))) {}

 private:
  Tokens most_kept(const AttentionLayer&, Tokens) const override { return budget_; }

  Tokens budget_;
};

}  // namespace

MethodEntry snapkv_method() {
  std::vector<MethodParameter> parameters = {
      {.name = "budget",
       .default_value = 4096,
       .min = 1,
       .max = 1e9,
       .sentence = "tokens that a head keeps, the window included"}};
  for (MethodParameter& each : window_vote_parameters()) parameters.push_back(std::move(each));
  return {
      .name = "snapkv",
      .sentence = "keeps what the last queries of the first prompt attend most",
      .category = "KV dropping",
      .source = "Li et al. 2024, arXiv 2404.14469; github.com/FasterDecoding/SnapKV",
      .parameters = std::move(parameters),
      .make_contract = [](const MethodParameters& given) -> std::unique_ptr<KvContract> {
        return std::make_unique<SnapKvContract>(given);
      },
      .presets =
          {{.name = "paper",
            .sentence = "the paper's LongBench setting, each query head for itself",
            .numbers =
                {{"budget", 4096}, {"window", 32}, {"kernel", 7}, {"pooling", 1}, {"group", 2}}},
           {.name = "released",
            .sentence = "as SCBench runs it, each query head for itself",
            .numbers =
                {{"budget", 4096}, {"window", 32}, {"kernel", 5}, {"pooling", 0}, {"group", 2}}},
           {.name = "kvpress",
            .sentence = "kvpress's window, query heads of a group voting together",
            .numbers = {{"window", 64}, {"kernel", 5}, {"pooling", 0}, {"group", 0}}},
           {.name = "every_append",
            .sentence = "compressed again behind every prompt, its question in view",
            .numbers = {{"compress", 1}}}},
      .small = {"budget=24,window=8,kernel=3", "budget=24,window=8,group=each",
                "budget=40,window=4,pooling=max,group=max,compress=every_append",
                "budget=30,window=12,group=each,compress=every_append"},
      .lossless = {"budget=100000", "budget=100000,group=each,compress=every_append"}};
}

}  // namespace scsim::methods
