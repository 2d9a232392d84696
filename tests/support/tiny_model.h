// A model folder as Hugging Face has them, small enough for any test: a Llama of two layers with
// random weights (or a recurrent network, or a hybrid of both kinds of layers with experts), one
// token a byte, and a ChatML template. What it says is noise, the same each
// time.
#pragma once

#include <cstdint>
#include <string>

namespace scsim::test {

enum class TinyFamily : std::uint8_t { kLlama, kMamba2, kJamba };

struct TinyModel {
  TinyFamily family = TinyFamily::kLlama;
  int layers = 2, query_heads = 4, kv_heads = 2, head_dim = 32, hidden = 64, intermediate = 96;
  int max_positions = 4096;
  int recurrent_heads = 4, recurrent_groups = 2, recurrent_state = 16;  // of a Mamba-2
  int vocabulary = 0;  // more than the tokenizer has, for networks of another size; 0: as it has
  std::uint64_t seed = 1;
};

// Writes config.json, model.safetensors, tokenizer.json and tokenizer_config.json into the folder.
void write_tiny_model(const std::string& folder, const TinyModel& model = {});

}  // namespace scsim::test
