// The models that methods which rewrite prompts ask: the one that sessions run on, and others by
// their paths, each opened once.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "exec/api/prompt_tools.h"
#include "exec/model/model.h"
#include "exec/text/tokenizer.h"

namespace scsim::exec {

class PromptModels final : public PromptTools {
 public:
  // REQUIRES: `model` outlives this.
  PromptModels(Model& model, Tokenizer tokenizer);
  ~PromptModels() override;

  LanguageModel& model() override { return *own_; }
  // Others run on the model's device, in its type.
  Expected<LanguageModel*> model_at(const std::string& path) override;

 private:
  ModelOptions options_;
  std::unique_ptr<LanguageModel> own_;
  std::map<std::string, std::unique_ptr<LanguageModel>> others_;
};

}  // namespace scsim::exec
