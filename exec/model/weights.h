// A model's weights on its device: what is multiplied together lies together. q, k and v of a layer
// are one matrix, and so are gate and up. What a recurrence multiplies is as its operators take it.
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

// Of a recurrent layer; its projection out is LayerWeights::output. Rates and biases of time steps
// are float32 whatever the model computes in.
struct MambaWeights {
  at::Tensor in, in_bias;      // [projected, hidden]; biases may be undefined
  at::Tensor conv, conv_bias;  // [kernel, channels]
  at::Tensor decay, skip;      // Mamba-2: [heads]; Mamba: [state, inner] and [inner]
  at::Tensor time_bias;        // [heads] or [inner]
  at::Tensor norm;             // Mamba-2: [inner]
  // Mamba: what makes time step, b and c of the channels, and the time steps from their few.
  at::Tensor select, time;               // [rank + 2 * state, inner], [inner, rank]
  at::Tensor time_norm, b_norm, c_norm;  // Jamba; else undefined
};

struct LayerWeights {
  MambaWeights mamba;                     // if it is recurrent; then qkv and the like are undefined
  at::Tensor input_norm, attention_norm;  // before attention, before the mlp
  at::Tensor post_attention, post_mlp;    // GLM-4; else undefined
  at::Tensor qkv, qkv_bias;               // [(query_heads + 2 kv_heads) * head_dim, hidden]
  at::Tensor query_norm, key_norm;        // Qwen3
  at::Tensor output, output_bias;         // [hidden, query_heads * head_dim]
  at::Tensor router;                      // [experts, hidden]; undefined: one dense mlp
  std::vector<MlpWeights> mlps;           // one, or one an expert; none: no such part
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
