// Which tensors a network has, and under which names checkpoints keep them.
//
//   for (const NetworkTensor& tensor : network_tensors(config)) ...
//
// Names are those of Hugging Face's Llama, with some things made alike: a fused gate_up_proj
// (GLM-4) is given as gate_proj and up_proj, experts of every family go by Mixtral's names
// (block_sparse_moe.gate, block_sparse_moe.experts.3.w1, w3 and w2: gate, up and down), and
// recurrent layers by Jamba's (model.layers.3.mamba.in_proj), with Llama's for what surrounds them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "exec/weights/model_config.h"

namespace scsim::exec {

// Where a file may keep a tensor: under this name, in these rows of the stored one. A row is what
// runs along the innermost dimension; of a vector, one element.
struct Place {
  std::string stored;
  std::vector<std::int64_t> stored_shape;
  std::int64_t first_row = 0;
};

struct NetworkTensor {
  std::string name;
  std::vector<std::int64_t> shape;
  std::vector<Place> hugging_face, gguf;  // the first that the file has is taken
  bool rotated = false;                   // q or k: GGUF's llama has its rows in another order
};

std::vector<NetworkTensor> network_tensors(const ModelConfig& config);

}  // namespace scsim::exec
