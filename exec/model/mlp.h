// The feed-forward part of a layer: SwiGLU, one or the chosen ones of several experts.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/util/Optional.h>

#include "exec/model/weights.h"
#include "exec/weights/model_config.h"

namespace scsim::exec {

// x times weight transposed, plus the bias if there is one; adds its operations to `operations`.
at::Tensor project(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                   double& operations);

// x [rows, hidden] -> [rows, hidden]
at::Tensor feed_forward(const at::Tensor& x, const LayerWeights& layer, const MlpConfig& config,
                        double& operations);

}  // namespace scsim::exec
