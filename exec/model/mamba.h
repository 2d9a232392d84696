// What a recurrent layer computes between its projections in and out: convolution, scan and gate.
// Convolution and scan are each sequence's own, from the state in its cache; a step of decoding is
// counted to loading there, as attention is, since it reads the state.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>

#include "exec/model/model.h"
#include "exec/model/weights.h"

namespace scsim::exec {

struct MambaLayer {
  const MambaConfig& config;
  const MambaWeights& weights;
  double norm_epsilon = 0;
  std::int64_t cache_layer = 0;
  std::int64_t saved_every = 0;  // tokens between saved points; 0: none
};

// `projected` [rows, config.projected()] of all sequences one after another; gives [rows, inner].
at::Tensor mamba(const MambaLayer& layer, std::span<const SequenceStep> steps,
                 const at::Tensor& projected, Measure& measure);

}  // namespace scsim::exec
