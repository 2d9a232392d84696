// A trained network as a Hugging Face folder: config.json, model.safetensors (float32) and
// tokenizer.json, which exec/weights, exec/text and transformers read.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>

#include "exec/weights/model_config.h"
#include "traces/expected.h"

namespace scsim::exec {

// A tokenizer that has a token for each character of symbol_characters() (exec/tasks/symbols.h) and
// no others. The text of tokenizer.json.
std::string symbol_tokenizer_json();

// config.json for a configuration of network_config().
std::string config_json(const ModelConfig& config);

// Writes config.json and then model.safetensors; each is whole or not there. `parameters` go by the
// names of exec/weights/network_tensors.h and are float32 on the CPU.
Expected<void> save_model(const std::string& folder, const ModelConfig& config,
                          const std::map<std::string, at::Tensor>& parameters);

}  // namespace scsim::exec
