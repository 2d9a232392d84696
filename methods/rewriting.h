// What methods that rewrite prompts share in their execution (llmlingua): which tokens of a prompt
// they may compress, and what a cache of rewritten tokens is worth to a prompt.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "exec/api/method_runtime.h"

namespace scsim::methods {

// Compressed are the documents of a prompt; where none are known, all of a session's first prompt
// and nothing of later ones.
class RewritingRuntime : public exec::MethodRuntime {
 public:
  std::int64_t retrieve(const exec::KvCache& cache, std::span<const std::int32_t> cached,
                        std::span<const std::int32_t> prompt, exec::Measure& measure) override;
  Expected<std::vector<std::int32_t>> rewrite_prompt(const exec::RecalledPrompt& fresh, bool first,
                                                     exec::PromptTools& tools,
                                                     exec::Measure& measure) override;

 protected:
  using Documents = std::vector<std::vector<std::int32_t>>;
  // What stands in their place, likewise one by one. Called in the stage of compression.
  virtual Expected<Documents> compressed(const Documents& documents, exec::PromptTools& tools,
                                         exec::Measure& measure) = 0;
};

}  // namespace scsim::methods
