// What `scexec train` is asked for: recipe.yaml, checked, and the network that it describes.
#pragma once

#include <cstdint>
#include <string>

#include "exec/train/proto/training.pb.h"
#include "exec/weights/model_config.h"
#include "traces/expected.h"

namespace scsim::exec {

// With every default filled in. The error names file, line and key where it can, what was expected
// and the nearest known name.
Expected<proto::TrainingRecipe> read_training_recipe(const std::string& path);
Expected<proto::TrainingRecipe> parse_training_recipe(const std::string& text,
                                                      const std::string& name);

// As exec/weights reads it from config.json again. REQUIRES: a recipe that was read above.
ModelConfig network_config(const proto::NetworkRecipe& network, std::int64_t vocabulary);

}  // namespace scsim::exec
