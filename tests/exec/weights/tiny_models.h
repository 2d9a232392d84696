// The tiny checkpoints of tests/data/tiny_models, which make_tiny_models.py describes.
#pragma once

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "exec/weights/safetensors_file.h"

namespace scsim::test {

inline const std::string kTinyModels = SCSIM_SOURCE_DIR "/tests/data/tiny_models/";

inline const std::vector<std::string>& tiny_models() {
  static const std::vector<std::string> names = {
      "bamba",        "glm",        "glm4",  "jamba",    "llama",         "llama_linear",
      "llama_llama3", "llama_yarn", "mamba", "mamba2",   "mamba2_biases", "mistral",
      "mixtral",      "qwen2",      "qwen3", "qwen3_moe"};
  return names;
}

inline std::vector<float> floats(const exec::StoredTensor& tensor) {
  std::vector<float> values(static_cast<std::size_t>(*exec::count_elements(tensor.shape)));
  exec::to_floats(tensor.type, tensor.bytes, values);
  return values;
}

// A tensor of the model's expected.safetensors.
inline std::vector<float> expected(const std::string& model, const std::string& tensor) {
  const auto file = exec::SafetensorsFile::open(kTinyModels + model + "/expected.safetensors");
  REQUIRE(file.has_value());
  const exec::StoredTensor* found = file->find(tensor);
  REQUIRE(found != nullptr);
  return floats(*found);
}

}  // namespace scsim::test
