// The network that a config.json of Hugging Face describes, in the words of transformers 4 and 5.
#pragma once

#include <string>

#include "exec/weights/model_config.h"
#include "traces/expected.h"

namespace scsim::exec {

// Of `folder`/config.json. Errors name the file and the key.
Expected<ModelConfig> read_hugging_face_config(const std::string& folder);

}  // namespace scsim::exec
