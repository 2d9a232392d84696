// What a configuration must fulfil whichever file it was read from.
#pragma once

#include <string>

#include "exec/weights/model_config.h"
#include "traces/expected.h"

namespace scsim::exec {

// Bounds of what a file may say, so that products of a shape stay within 64 bits.
constexpr std::int64_t kMostOfDimension = 1'000'000, kMostTokens = 1'000'000'000,
                       kMostLayers = 10'000, kMostExperts = 1'000,
                       kMostExpertsOfAllLayers = 100'000;

Expected<void> check_config(const ModelConfig& config, const std::string& path);

}  // namespace scsim::exec
