// A model ready to run, with all that came with it: weights on the device, tokenizer, chat
// template.
//
//   auto loaded = load_model("SmolLM2-135M-Instruct.Q4_1.gguf", {.device = at::kCPU});
//   loaded->model->prefill(loaded->tokenizer.encode(...), ...);
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "exec/model/model.h"
#include "exec/text/chat_template.h"
#include "exec/text/tokenizer.h"
#include "traces/calibration.h"
#include "traces/expected.h"

namespace scsim::exec {

struct LoadedModel {
  std::unique_ptr<Model> model;
  Tokenizer tokenizer;
  std::optional<ChatTemplate> chat;
  std::string no_chat;           // why there is none
  CalibrationModel description;  // its hash of the weights is empty: see hash_weights()
  std::string path;
};

// A folder of Hugging Face's or a .gguf file.
Expected<LoadedModel> load_model(const std::string& path, const ModelOptions& options);

// The tokenizer that came with the model there, without the model.
Expected<Tokenizer> load_tokenizer(const std::string& path);

// "sha256:..." of the file, or of the folder's safetensors files one after another in order of
// their names: reads them whole.
Expected<std::string> hash_weights(const std::string& path);

// Where models and libraries are kept: $SCSIM_CACHE, else $XDG_CACHE_HOME/scsim, else
// ~/.cache/scsim.
std::string cache_folder();
// SmolLM2-135M-Instruct there, which ./scexec fetches. The error says so where it is missing.
Expected<std::string> default_model_path();

}  // namespace scsim::exec
