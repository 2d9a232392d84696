// The matrices of a layer as one GPU of an engine holds them.
//
// Parameter counts, the memory plan and the roofline all walk this one list, so they cannot
// disagree about how a layer is sharded. The sharding is that of Megatron and vLLM: query, key,
// value, gate and up projections by output; output and down projections by input; key and value
// heads are repeated when there are fewer of them than GPUs; routers, MLA's down-projections and
// norms are on every GPU.
#pragma once

#include <string_view>
#include <vector>

#include "cost_models/shapes.h"

namespace scsim::cost_models {

struct Matrix {
  // What it is multiplied with.
  enum class Operand {
    kToken,        // every token of the step
    kRoutedToken,  // every (token, expert) pair that comes to this GPU
    kCachedToken,  // also the cached tokens that prefills read (MLA expands its latent again)
  };
  std::string_view name = {};
  double inputs = 0, outputs = 0;  // on one GPU
  Operand operand = Operand::kToken;
  double copies = 1;      // experts on this GPU
  bool quantised = true;  // stored at the weights' precision, else at 16 bits

  double parameters() const { return inputs * outputs * copies; }
};

// REQUIRES: check_parallel(model, parallel).
std::vector<Matrix> layer_matrices(const ModelShape& model, const LayerClass& layer,
                                   const Parallel& parallel);

// Weights of a layer that are no matrices, per GPU: norms, convolutions, decay rates. 16 bits each.
double vector_parameters(const ModelShape& model, const LayerClass& layer,
                         const Parallel& parallel);

// Key and value heads (or latents) of one layer on one GPU, in elements per token.
double cache_elements_per_gpu(const LayerClass& layer, const Parallel& parallel);

}  // namespace scsim::cost_models
