// What a method that rewrites prompts (MethodRuntime::rewrite_prompt) may ask of language models,
// which it knows by this alone: how likely each token of a text is, and texts for tokens. Nothing
// here touches the cache of the session that the prompt belongs to.
//
//   LanguageModel& model = tools.model();
//   std::unique_ptr<TokenReader> reader = model.reader();
//   Expected<std::vector<float>> known = reader->read(tokens, measure);
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "exec/api/measure.h"
#include "traces/expected.h"

namespace scsim::exec {

// A sequence of tokens that a causal language model has read.
class TokenReader {
 public:
  virtual ~TokenReader() = default;
  // Reads on; gives the natural logarithm of each token's probability behind all tokens before it,
  // and of the very first, which nothing is before, minus infinity. What is computed is counted to
  // the stage under way: tokens, operations, bytes of a cache of its own, which is freed with the
  // reader. Fails as Model::prefill() does. REQUIRES: a stage is under way.
  virtual Expected<std::vector<float>> read(std::span<const std::int32_t> tokens,
                                            Measure& measure) = 0;
  // Another that has read the same, and computes none of it again.
  virtual std::unique_ptr<TokenReader> fork() const = 0;
};

// A language model and the texts of its tokens.
class LanguageModel {
 public:
  virtual ~LanguageModel() = default;
  virtual std::unique_ptr<TokenReader> reader() = 0;  // that has read nothing
  virtual std::vector<std::int32_t> encode(std::string_view text) const = 0;
  virtual std::string decode(std::span<const std::int32_t> tokens) const = 0;
};

class PromptTools {
 public:
  virtual ~PromptTools() = default;
  virtual LanguageModel& model() = 0;  // that the prompt is for
  // The one at `path`, opened when it is first asked for; `path` may be empty: model().
  virtual Expected<LanguageModel*> model_at(const std::string& path) = 0;
};

}  // namespace scsim::exec
