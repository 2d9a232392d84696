// StreamingLLM: a head keeps the first tokens, on which attention rests whatever they say, and the
// most recent ones; what is between is dropped without a look at it.
//
// Paper and released benchmark differ in everything but that. The paper's cache evicts with every
// token and numbers positions within the cache, so that a query is never further from a key than
// the cache is long; SCBench's evicts once, behind the first prompt, and leaves the keys at the
// positions they had in the text. Prompts are attended whole in both programs, and here.
#include "methods/dropping_contract.h"
#include "methods/method.h"

namespace scsim::methods {
namespace {

class StreamingLlmContract final : public DroppingContract {
 public:
  explicit StreamingLlmContract(const MethodParameters& parameters)
      : DroppingContract({.at_every_append = parameters.at("evict") == 1,
                          .at_every_token = parameters.at("evict") == 1}),
        kept_(static_cast<std::int64_t>(parameters.at("sinks") + parameters.at("window"))) {}

 private:
  Tokens most_kept(const AttentionLayer&, Tokens) const override { return kept_; }

  Tokens kept_;
};

}  // namespace

MethodEntry streaming_llm_method() {
  return {
      .name = "streaming_llm",
      .sentence = "keeps the first tokens and the most recent ones",
      .category = "KV dropping",
      .source = "Xiao et al. 2023, arXiv 2309.17453; github.com/mit-han-lab/streaming-llm",
      .parameters = {{.name = "sinks",
                      .default_value = 128,
                      .min = 0,
                      .max = 1e6,
                      .sentence = "first tokens that are kept"},
                     {.name = "window",
                      .default_value = 3968,
                      .min = 1,
                      .max = 1e9,
                      .sentence = "most recent tokens that are kept"},
                     {.name = "evict",
                      .default_value = 1,
                      .min = 0,
                      .max = 1,
                      .sentence = "behind the first prompt only, or with every token",
                      .choices = {"once", "always"}},
                     {.name = "positions",
                      .default_value = 0,
                      .min = 0,
                      .max = 1,
                      .sentence = "of keys: where they stood in the text, or in the cache",
                      .choices = {"text", "cache"}}},
      .make_contract = [](const MethodParameters& given) -> std::unique_ptr<KvContract> {
        return std::make_unique<StreamingLlmContract>(given);
      },
      .presets = {{.name = "paper",
                   .sentence = "4 sinks and 1,020 recent tokens, positions in the cache",
                   .numbers = {{"sinks", 4}, {"window", 1020}, {"evict", 1}, {"positions", 1}}},
                  {.name = "released",
                   .sentence = "as SCBench runs it: evicts once, positions of the text",
                   .numbers = {{"sinks", 128}, {"window", 3968}, {"evict", 0}}}},
      .small = {"sinks=3,window=20", "sinks=4,window=28,evict=once", "sinks=0,window=25",
                "sinks=4,window=20,positions=cache"},
      .lossless = {"window=100000", "window=100000,evict=once", "window=100000,positions=cache"}};
}

}  // namespace scsim::methods
