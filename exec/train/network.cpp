#include "exec/train/network.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <tuple>

#include "exec/operators/differentiable.h"
#include "exec/weights/network_tensors.h"
#include "traces/check.h"
#include "traces/rng.h"

namespace scsim::exec {
namespace {

std::string layer_name(std::int64_t i) { return "model.layers." + std::to_string(i) + "."; }

// The first value of one element of a tensor.
float first_value(const NetworkTensor& tensor, const ModelConfig& config, Rng& rng) {
  const std::string& name = tensor.name;
  if (name.ends_with("norm.weight") || name.ends_with(".D")) return 1;
  if (name.ends_with("conv1d.bias")) return 0;
  if (name.ends_with("A_log")) return static_cast<float>(std::log(rng.uniform(1, 16)));
  if (name.ends_with("dt_bias")) {  // the inverse of softplus
    const double step = std::exp(rng.uniform(std::log(1e-3), std::log(1e-1)));
    return static_cast<float>(step + std::log(-std::expm1(-step)));
  }
  if (name.ends_with("embed_tokens.weight")) return static_cast<float>(rng.normal());
  const auto inputs = static_cast<double>(tensor.shape.back());
  double deviation = 1 / std::sqrt(3 * inputs);
  const bool added = name.ends_with("o_proj.weight") || name.ends_with("down_proj.weight") ||
                     name.ends_with("out_proj.weight");
  if (added) deviation /= std::sqrt(2 * static_cast<double>(config.layers));
  return static_cast<float>(deviation * rng.normal());
}

at::Tensor rotated(const at::Tensor& x, const RopeTable::Rows& angles) {
  const std::int64_t half = angles.cos.size(1), rest = x.size(3) - 2 * half;
  const at::Tensor a = x.narrow(3, 0, half), b = x.narrow(3, half, half);
  const at::Tensor &cos = angles.cos, &sin = angles.sin;
  std::vector<at::Tensor> parts = {a * cos - b * sin, b * cos + a * sin};
  if (rest > 0) parts.push_back(x.narrow(3, 2 * half, rest));
  return at::cat(parts, 3);
}

}  // namespace

Network::Network(const ModelConfig& config, std::uint64_t seed)
    : config_(config), rope_(config.rope, at::kCPU, at::kFloat) {
  SCSIM_CHECK(config.family == "llama" || config.family == "mamba2" || config.family == "bamba");
  for (const NetworkTensor& tensor : network_tensors(config)) {
    Rng rng(seed, "exec.train.weights." + tensor.name);
    const at::Tensor value = at::empty(tensor.shape, at::kFloat);
    float* values = value.mutable_data_ptr<float>();
    std::generate_n(values, value.numel(), [&] { return first_value(tensor, config, rng); });
    parameters_[tensor.name] = value.set_requires_grad(true);
  }
}

const at::Tensor& Network::weight(const std::string& name) const {
  const auto found = parameters_.find(name);
  SCSIM_CHECK(found != parameters_.end());
  return found->second;
}

at::Tensor Network::norm(const at::Tensor& x, const std::string& name) const {
  const at::Tensor& scale = weight(name);
  return at::rms_norm(x, scale.sizes(), scale, config_.norm_epsilon);
}

at::Tensor Network::attend(const at::Tensor& h, const std::string& layer) {
  const AttentionConfig& shape = config_.attention;
  const std::int64_t rows = h.size(0), tokens = h.size(1);
  const RopeTable::Rows angles = rope_.range(0, tokens);
  const auto heads = [&](const char* part, std::int64_t count) {
    return at::linear(h, weight(layer + "self_attn." + part + "_proj.weight"))
        .view({rows, tokens, count, shape.head_dim})
        .transpose(1, 2);
  };
  const at::Tensor q = rotated(heads("q", shape.query_heads), angles);
  at::Tensor k = rotated(heads("k", shape.kv_heads), angles), v = heads("v", shape.kv_heads);
  if (shape.kv_heads < shape.query_heads) {
    const std::int64_t sharing = shape.query_heads / shape.kv_heads;
    k = k.repeat_interleave(sharing, 1);
    v = v.repeat_interleave(sharing, 1);
  }
  const at::Tensor mixed = at::scaled_dot_product_attention(q, k, v, {}, 0.0, /*is_causal=*/true);
  return at::linear(mixed.transpose(1, 2).reshape({rows, tokens, -1}),
                    weight(layer + "self_attn.o_proj.weight"));
}

// What comes out of the projection: gate, convolved channels (x, b and c) and time steps.
at::Tensor Network::recur(const at::Tensor& h, const std::string& layer) const {
  const MambaConfig& shape = config_.mamba;
  const std::string of = layer + "mamba.";
  const std::int64_t rows = h.size(0), tokens = h.size(1), channels = shape.conv_channels();
  const at::Tensor projected = at::linear(h, weight(of + "in_proj.weight"));
  const at::Tensor gate = projected.narrow(2, 0, shape.inner);
  const at::Tensor mixed = std::get<0>(differentiable::causal_conv(
      projected.narrow(2, shape.inner, channels), weight(of + "conv1d.weight").squeeze(1).t(),
      weight(of + "conv1d.bias"), at::zeros({rows, shape.conv_kernel - 1, channels}, at::kFloat)));
  const at::Tensor steps = at::softplus(projected.narrow(2, shape.inner + channels, shape.heads) +
                                        weight(of + "dt_bias"));
  const auto grouped = [&](std::int64_t first, std::int64_t count, std::int64_t width) {
    return mixed.narrow(2, first, count * width).reshape({rows, tokens, count, width});
  };
  const std::int64_t wide = shape.groups * shape.state;
  const at::Tensor y = std::get<0>(differentiable::ssd_scan(
      grouped(0, shape.heads, shape.head_dim), steps, -weight(of + "A_log").exp(),
      grouped(shape.inner, shape.groups, shape.state),
      grouped(shape.inner + wide, shape.groups, shape.state), weight(of + "D"),
      at::zeros({rows, shape.heads, shape.state, shape.head_dim}, at::kFloat)));
  const at::Tensor gated = y.reshape({rows, tokens, shape.inner}) * at::silu(gate);
  return at::linear(norm(gated, of + "norm.weight"), weight(of + "out_proj.weight"));
}

at::Tensor Network::hidden(const at::Tensor& tokens) {
  at::Tensor x = at::embedding(weight("model.embed_tokens.weight"), tokens);
  for (std::int64_t i = 0; i < config_.layers; ++i) {
    const std::string layer = layer_name(i);
    const at::Tensor h = norm(x, layer + "input_layernorm.weight");
    x = x + (config_.attends(i) ? attend(h, layer) : recur(h, layer));
    if (config_.mlp.intermediate == 0) continue;
    const at::Tensor of = norm(x, layer + "post_attention_layernorm.weight");
    const at::Tensor gate = at::silu(at::linear(of, weight(layer + "mlp.gate_proj.weight")));
    const at::Tensor up = at::linear(of, weight(layer + "mlp.up_proj.weight"));
    x = x + at::linear(gate * up, weight(layer + "mlp.down_proj.weight"));
  }
  return norm(x, "model.norm.weight");
}

at::Tensor Network::logits(const at::Tensor& hidden) const {
  return at::linear(hidden, weight("lm_head.weight"));
}

}  // namespace scsim::exec
