#include "exec/model/weights.h"

#include <ATen/ATen.h>

#include <string>

#include "exec/api/large_pages.h"
#include "traces/check.h"

namespace scsim::exec {
namespace {

class Loader {
 public:
  Loader(const Checkpoint& checkpoint, at::Device device, at::ScalarType type)
      : checkpoint_(checkpoint), options_(at::TensorOptions().dtype(type).device(device)) {}

  bool has(const std::string& name) const { return checkpoint_.find(name) != nullptr; }

  // Tensors of equal width one below the other, read in place.
  at::Tensor stacked(const std::vector<std::string>& names) {
    std::vector<std::int64_t> shape;
    for (const std::string& name : names) {
      const TensorInfo* info = checkpoint_.find(name);
      SCSIM_CHECK(info != nullptr);
      if (shape.empty()) {
        shape = info->shape;
      } else {
        shape[0] += info->shape[0];
      }
    }
    at::Tensor out = take(shape);
    float* to = out.mutable_data_ptr<float>();
    for (const std::string& name : names) {
      const std::int64_t elements = checkpoint_.find(name)->elements();
      checkpoint_.read(name, {to, static_cast<std::size_t>(elements)});
      to += elements;
    }
    out = out.to(options_);
    bytes += static_cast<std::int64_t>(out.nbytes());
    return out;
  }
  at::Tensor one(const std::string& name) { return stacked({name}); }
  // In float32 whatever the others are.
  at::Tensor precise(const std::string& name) {
    const at::TensorOptions others = options_;
    options_ = options_.dtype(at::kFloat);
    at::Tensor out = one(name);
    options_ = others;
    return out;
  }
  at::Tensor if_there(const std::string& name) { return has(name) ? one(name) : at::Tensor(); }

  std::int64_t bytes = 0;

 private:
  // Memory for a tensor: a part of a large block, as most are too small for large pages of their
  // own. Where they only pass through to a device or to another type, there is nothing to gain.
  at::Tensor take(const std::vector<std::int64_t>& shape) {
    constexpr std::int64_t kBlock = std::int64_t{1} << 24, kLine = 16;  // floats
    std::int64_t floats = 1;
    for (const std::int64_t size : shape) floats *= size;
    const bool passes = options_.device() != at::kCPU || options_.dtype() != at::kFloat;
    if (passes || floats > kBlock / 4) {
      at::Tensor own = at::empty(shape, at::kFloat);
      if (!passes) prefer_large_pages(own);
      return own;
    }
    if (!block_.defined() || used_ + floats > kBlock) {
      block_ = at::empty({kBlock}, at::kFloat);
      prefer_large_pages(block_);
      used_ = 0;
    }
    at::Tensor part = block_.narrow(0, used_, floats).view(shape);
    used_ += (floats + kLine - 1) / kLine * kLine;
    return part;
  }

  const Checkpoint& checkpoint_;
  at::TensorOptions options_;
  at::Tensor block_;
  std::int64_t used_ = 0;  // floats of it
};

MlpWeights load_mlp(Loader& loader, const std::string& gate, const std::string& up,
                    const std::string& down) {
  MlpWeights mlp;
  mlp.gate_up = loader.stacked({gate + ".weight", up + ".weight"});
  mlp.down = loader.one(down + ".weight");
  if (loader.has(gate + ".bias")) {
    mlp.gate_up_bias = loader.stacked({gate + ".bias", up + ".bias"});
  }
  mlp.down_bias = loader.if_there(down + ".bias");
  return mlp;
}

void load_mamba(Loader& loader, const MambaConfig& config, const std::string& prefix,
                LayerWeights& layer) {
  MambaWeights& mamba = layer.mamba;
  mamba.in = loader.one(prefix + "in_proj.weight");
  mamba.in_bias = loader.if_there(prefix + "in_proj.bias");
  layer.output = loader.one(prefix + "out_proj.weight");
  layer.output_bias = loader.if_there(prefix + "out_proj.bias");
  mamba.conv = loader.one(prefix + "conv1d.weight").squeeze(1).t().contiguous();
  mamba.conv_bias = loader.if_there(prefix + "conv1d.bias");
  mamba.decay = loader.precise(prefix + "A_log").exp().neg();
  mamba.skip = loader.precise(prefix + "D");
  if (config.version == 2) {
    mamba.time_bias = loader.precise(prefix + "dt_bias");
    mamba.norm = loader.one(prefix + "norm.weight");
    return;
  }
  mamba.decay = mamba.decay.t().contiguous();
  mamba.select = loader.one(prefix + "x_proj.weight");
  mamba.time = loader.one(prefix + "dt_proj.weight");
  mamba.time_bias = loader.precise(prefix + "dt_proj.bias");
  mamba.time_norm = loader.if_there(prefix + "dt_layernorm.weight");
  mamba.b_norm = loader.if_there(prefix + "b_layernorm.weight");
  mamba.c_norm = loader.if_there(prefix + "c_layernorm.weight");
}

void load_attention(Loader& loader, const ModelConfig& config, const std::string& attention,
                    LayerWeights& layer) {
  layer.qkv = loader.stacked(
      {attention + "q_proj.weight", attention + "k_proj.weight", attention + "v_proj.weight"});
  if (config.attention.qkv_bias) {
    layer.qkv_bias = loader.stacked(
        {attention + "q_proj.bias", attention + "k_proj.bias", attention + "v_proj.bias"});
  }
  if (config.attention.qk_norm) {
    layer.query_norm = loader.one(attention + "q_norm.weight");
    layer.key_norm = loader.one(attention + "k_norm.weight");
  }
  layer.output = loader.one(attention + "o_proj.weight");
  if (config.attention.output_bias) layer.output_bias = loader.one(attention + "o_proj.bias");
}

LayerWeights load_layer(Loader& loader, const ModelConfig& config, std::int64_t number) {
  const std::string prefix = "model.layers." + std::to_string(number) + ".";
  LayerWeights layer;
  layer.input_norm = loader.one(prefix + "input_layernorm.weight");
  if (config.attends(number)) {
    load_attention(loader, config, prefix + "self_attn.", layer);
  } else {
    load_mamba(loader, config.mamba, prefix + "mamba.", layer);
  }
  if (config.mlp.intermediate == 0) return layer;
  layer.attention_norm = loader.one(prefix + "post_attention_layernorm.weight");
  if (config.post_norms) {
    layer.post_attention = loader.one(prefix + "post_self_attn_layernorm.weight");
    layer.post_mlp = loader.one(prefix + "post_mlp_layernorm.weight");
  }
  if (config.has_experts(number)) {
    const std::string moe = prefix + "block_sparse_moe.";
    layer.router = loader.one(moe + "gate.weight");
    for (std::int64_t i = 0; i < config.mlp.experts; ++i) {
      const std::string expert = moe + "experts." + std::to_string(i);
      layer.mlps.push_back(load_mlp(loader, expert + ".w1", expert + ".w3", expert + ".w2"));
    }
  } else {
    const std::string mlp = prefix + "mlp.";
    layer.mlps.push_back(load_mlp(loader, mlp + "gate_proj", mlp + "up_proj", mlp + "down_proj"));
  }
  return layer;
}

}  // namespace

ModelWeights load_weights(const Checkpoint& checkpoint, at::Device device, at::ScalarType type) {
  Loader loader(checkpoint, device, type);
  const ModelConfig& config = checkpoint.config();
  ModelWeights weights;
  weights.embedding = loader.one("model.embed_tokens.weight");
  for (std::int64_t i = 0; i < config.layers; ++i) {
    weights.layers.push_back(load_layer(loader, config, i));
  }
  weights.norm = loader.one("model.norm.weight");
  weights.head = config.tied_embeddings ? weights.embedding : loader.one("lm_head.weight");
  weights.bytes = loader.bytes;
  return weights;
}

}  // namespace scsim::exec
