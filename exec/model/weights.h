// A model's weights on its device: what is multiplied together lies together. q, k and v of a layer
// are one matrix, and so are gate and up.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "exec/weights/checkpoint.h"

namespace scsim::exec {

struct MlpWeights {
  at::Tensor gate_up, gate_up_bias;  // [2 * intermediate, hidden]; biases may be undefined
  at::Tensor down, down_bias;        // [hidden, intermediate]
};

struct LayerWeights {
  at::Tensor input_norm, attention_norm;  // before attention, before the mlp
  at::Tensor post_attention, post_mlp;    // GLM-4; else undefined
  at::Tensor qkv, qkv_bias;               // [(query_heads + 2 kv_heads) * head_dim, hidden]
  at::Tensor query_norm, key_norm;        // Qwen3
  at::Tensor output, output_bias;         // [hidden, query_heads * head_dim]
  at::Tensor router;                      // [experts, hidden]; undefined: one dense mlp
  std::vector<MlpWeights> mlps;           // one, or one an expert
};

struct ModelWeights {
  at::Tensor embedding;  // [vocabulary, hidden]
  std::vector<LayerWeights> layers;
  at::Tensor norm, head;  // head [vocabulary, hidden]: the embedding itself if tied
  std::int64_t bytes = 0;
};

// REQUIRES: the checkpoint's tensors are those of its configuration, which Checkpoint::open saw to.
ModelWeights load_weights(const Checkpoint& checkpoint, at::Device device, at::ScalarType type);

}  // namespace scsim::exec
