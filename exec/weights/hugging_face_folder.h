// A folder as transformers writes it: config.json, generation_config.json where there is one, and
// the weights in model.safetensors or in the files that model.safetensors.index.json names.
#pragma once

#include <string>
#include <vector>

#include "exec/weights/model_config.h"
#include "exec/weights/safetensors_file.h"
#include "traces/expected.h"

namespace scsim::exec {

// The network that the folder's config.json describes, written by transformers 4 or 5.
Expected<ModelConfig> config_of_folder(const std::string& folder);

Expected<std::vector<SafetensorsFile>> open_weights_of_folder(const std::string& folder);

}  // namespace scsim::exec
