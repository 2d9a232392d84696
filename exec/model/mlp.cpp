#include "exec/model/mlp.h"

#include <ATen/ATen.h>

#include "exec/operators/operators.h"

namespace scsim::exec {
namespace {

// Rows go through in blocks, so that what lies between the two products stays in the cache and does
// not grow with the prompt.
constexpr std::int64_t kBlockRows = 1024;

at::Tensor swiglu(const at::Tensor& x, const MlpWeights& mlp, double& operations) {
  const at::Tensor gate_up = project(x, mlp.gate_up, mlp.gate_up_bias, operations);
  return project(silu_and_multiply(gate_up), mlp.down, mlp.down_bias, operations);
}

at::Tensor dense(const at::Tensor& x, const MlpWeights& mlp, double& operations) {
  const std::int64_t rows = x.size(0);
  if (!x.is_cpu() || rows <= kBlockRows) return swiglu(x, mlp, operations);
  at::Tensor out = at::empty_like(x);
  for (std::int64_t from = 0; from < rows; from += kBlockRows) {
    const std::int64_t count = std::min(kBlockRows, rows - from);
    out.narrow(0, from, count).copy_(swiglu(x.narrow(0, from, count), mlp, operations));
  }
  return out;
}

at::Tensor mixture(const at::Tensor& x, const LayerWeights& layer, const MlpConfig& config,
                   double& operations) {
  const at::Tensor router = project(x, layer.router, at::Tensor(), operations);
  const at::Tensor probabilities = at::softmax(router, 1, at::kFloat);
  auto [weight, expert] = probabilities.topk(config.experts_per_token, 1);
  if (config.renormalise_experts) weight = weight / weight.sum(1, true);
  weight = weight.to(x.scalar_type());
  at::Tensor out = at::zeros_like(x);
  for (std::size_t e = 0; e < layer.mlps.size(); ++e) {
    // Which rows chose it, and as which of their choices.
    const at::Tensor chosen = (expert == static_cast<std::int64_t>(e)).nonzero();
    if (chosen.size(0) == 0) continue;
    const at::Tensor row = chosen.select(1, 0), choice = chosen.select(1, 1);
    const at::Tensor share = weight.index({row, choice}).unsqueeze(1);
    out.index_add_(0, row, dense(x.index_select(0, row), layer.mlps[e], operations) * share);
  }
  return out;
}

}  // namespace

at::Tensor project(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                   double& operations) {
  operations += 2.0 * static_cast<double>(x.size(0)) * static_cast<double>(weight.numel());
  return exec::linear(x, weight, bias.defined() ? c10::optional<at::Tensor>(bias) : c10::nullopt);
}

at::Tensor feed_forward(const at::Tensor& x, const LayerWeights& layer, const MlpConfig& config,
                        double& operations) {
  if (!layer.router.defined()) return dense(x, layer.mlps.front(), operations);
  return mixture(x, layer, config, operations);
}

}  // namespace scsim::exec
