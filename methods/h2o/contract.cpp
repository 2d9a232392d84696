// H2O: a head holds the most recent tokens and, of those before them, its heavy hitters: the tokens
// that all queries so far have attended most. With every token the lightest one goes.
//
// The sum of a token's weights favours early tokens, which more queries have seen; `score=mean`
// divides by how many could see it, as kvpress's observed attention does.
#include "methods/dropping_contract.h"
#include "methods/method.h"

namespace scsim::methods {
namespace {

class H2oContract final : public DroppingContract {
 public:
  explicit H2oContract(const MethodParameters& parameters)
      : DroppingContract({.by_query_head = parameters.at("group") == 1,
                          .at_every_append = true,
                          .at_every_token = true,
                          .with_question = true,
                          .remembered_bytes = 8}),  // a score and a number
        budget_(static_cast<std::int64_t>(parameters.at("budget"))) {}

 private:
  Tokens most_kept(const AttentionLayer&, Tokens) const override { return budget_; }

  Tokens budget_;
};

}  // namespace

MethodEntry h2o_method() {
  return {
      .name = "h2o",
      .sentence = "keeps recent tokens and those that all queries so far attended most",
      .category = "KV dropping",
      .source = "Zhang et al. 2023, arXiv 2306.14048; github.com/FMInference/H2O",
      .parameters = {{.name = "budget",
                      .default_value = 4096,
                      .min = 1,
                      .max = 1e9,
                      .sentence = "tokens that a head holds"},
                     {.name = "recent",
                      .default_value = 0.5,
                      .min = 0,
                      .max = 1,
                      .sentence = "share of the budget that is the most recent tokens'"},
                     {.name = "score",
                      .default_value = 0,
                      .min = 0,
                      .max = 1,
                      .sentence = "a token's weights so far: their sum, or their mean over the "
                                  "queries that could see it",
                      .choices = {"sum", "mean"}},
                     {.name = "group",
                      .default_value = 0,
                      .min = 0,
                      .max = 1,
                      .sentence = "query heads of a kv head hold the same tokens, or each its own",
                      .choices = {"mean", "each"}}},
      .make_contract = [](const MethodParameters& given) -> std::unique_ptr<KvContract> {
        return std::make_unique<H2oContract>(given);
      },
      .presets = {{.name = "paper",
                   .sentence = "each query head for itself, half of the budget recent",
                   .numbers = {{"recent", 0.5}, {"score", 0}, {"group", 1}}},
                  {.name = "kvpress",
                   .sentence = "observed attention: means, and nothing for being recent",
                   .numbers = {{"recent", 0}, {"score", 1}, {"group", 0}}}},
      .small = {"budget=24", "budget=30,recent=0.2,group=each", "budget=25,recent=0,score=mean"},
      .lossless = {"budget=100000", "budget=100000,group=each"}};
}

}  // namespace scsim::methods
