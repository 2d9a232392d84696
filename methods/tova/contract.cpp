// TOVA: a layer never holds more than its budget of tokens; of those it has, it drops the one that
// the latest query attends least, in the mean over all heads, with every token.
#include "methods/dropping_contract.h"
#include "methods/method.h"

namespace scsim::methods {
namespace {

class TovaContract final : public DroppingContract {
 public:
  explicit TovaContract(const MethodParameters& parameters)
      : DroppingContract({.at_every_append = true, .at_every_token = true, .with_question = true}),
        budget_(static_cast<std::int64_t>(parameters.at("budget"))) {}

  bool heads_are_independent() const override { return false; }

 private:
  Tokens most_kept(const AttentionLayer&, Tokens) const override { return budget_; }

  Tokens budget_;
};

}  // namespace

MethodEntry tova_method() {
  return {.name = "tova",
          .sentence = "drops with every token the one that the latest query attends least",
          .category = "KV dropping",
          .source = "Oren et al. 2024, arXiv 2401.06104; github.com/schwartz-lab-NLP/TOVA",
          .parameters = {{.name = "budget",
                          .default_value = 4096,
                          .min = 1,
                          .max = 1e9,
                          .sentence = "tokens that a layer holds"}},
          .make_contract = [](const MethodParameters& given) -> std::unique_ptr<KvContract> {
            return std::make_unique<TovaContract>(given);
          },
          .small = {"budget=24", "budget=37"},
          .lossless = {"budget=100000"}};
}

}  // namespace scsim::methods
