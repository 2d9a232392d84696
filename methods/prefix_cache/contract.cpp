// Prefix caching: full attention, whose caches any later prompt with the same beginning goes on
// from, in whole blocks, as vLLM does. Nothing is approximated, so all that a request pays is what
// full attention pays behind so many cached tokens.
#include "methods/contract.h"

#include "methods/method.h"

namespace scsim::methods {
MethodEntry full_method();  // methods/full

MethodEntry prefix_cache_method() {
  return {.name = "prefix_cache",
          .sentence = "full attention behind the longest beginning that any earlier prompt had",
          .category = "KV retrieval",
          .source =
              "Kwon et al. 2023, arXiv 2309.06180; automatic prefix caching of "
              "github.com/vllm-project/vllm",
          .parameters = {{.name = "block",
                          .default_value = 16,
                          .min = 1,
                          .max = 4096,
                          .sentence = "tokens of a block; whole ones are found"},
                         {.name = "capacity",
                          .default_value = 2048,
                          .min = 0,
                          .max = 1e9,
                          .sentence = "MB of KV held for later prompts, those used last; 0: all"}},
          .make_contract = [](const MethodParameters&) -> std::unique_ptr<KvContract> {
            return full_method().make_contract({});
          },
          .small = {"block=1,capacity=0"},
          .lossless = {"", "block=7"},
          .needs_attention = false};
}

}  // namespace scsim::methods
