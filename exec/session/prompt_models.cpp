#include "exec/session/prompt_models.h"

#include <utility>

#include "exec/model/token_reader.h"
#include "exec/session/loaded_model.h"

namespace scsim::exec {
namespace {

class ReadingModel final : public LanguageModel {
 public:
  ReadingModel(Model& model, Tokenizer tokenizer)
      : model_(model), tokenizer_(std::move(tokenizer)) {}
  explicit ReadingModel(LoadedModel loaded)
      : owned_(std::move(loaded.model)), model_(*owned_), tokenizer_(loaded.tokenizer) {}

  std::unique_ptr<TokenReader> reader() override { return make_token_reader(model_); }
  std::vector<std::int32_t> encode(std::string_view text) const override {
    return tokenizer_.encode(text, SpecialTokens::kAsText);
  }
  std::string decode(std::span<const std::int32_t> tokens) const override {
    return tokenizer_.decode(tokens, true);
  }

 private:
  std::unique_ptr<Model> owned_;
  Model& model_;
  Tokenizer tokenizer_;
};

}  // namespace

PromptModels::PromptModels(Model& model, Tokenizer tokenizer)
    : options_{.device = model.options().device, .type = model.options().type},
      own_(std::make_unique<ReadingModel>(model, std::move(tokenizer))) {}

PromptModels::~PromptModels() = default;

Expected<LanguageModel*> PromptModels::model_at(const std::string& path) {
  if (path.empty()) return own_.get();
  std::unique_ptr<LanguageModel>& there = others_[path];
  if (there == nullptr) {
    Expected<LoadedModel> loaded = load_model(path, options_);
    if (!loaded) return loaded.error();
    there = std::make_unique<ReadingModel>(*std::move(loaded));
  }
  return there.get();
}

}  // namespace scsim::exec
