// A layer is described once, by the calls below; each names the tensor for both kinds of file.
#include "exec/weights/network_tensors.h"

#include <utility>

namespace scsim::exec {
namespace {

using Shape = std::vector<std::int64_t>;

class Tensors {
 public:
  explicit Tensors(const ModelConfig& config) : config_(config) {}

  NetworkTensor& add(const std::string& name, const std::string& gguf, const Shape& shape) {
    tensors_.push_back({name, shape, {{name, shape}}, {{gguf, shape}}});
    return tensors_.back();
  }

  void add_layer(std::int64_t index) {
    prefix_ = "model.layers." + std::to_string(index) + ".";
    gguf_prefix_ = "blk." + std::to_string(index) + ".";
    NetworkTensor& norm = in_layer("input_layernorm.weight", "attn_norm.weight", {config_.hidden});
    if (config_.attends(index)) {
      add_attention();
    } else {
      norm.hugging_face.push_back(
          {"backbone.layers." + std::to_string(index) + ".norm.weight", {config_.hidden}});
      add_mamba(index);
    }
    if (config_.mlp.intermediate == 0) return;
    NetworkTensor& before =
        in_layer("post_attention_layernorm.weight", "ffn_norm.weight", {config_.hidden});
    if (config_.mamba.version > 0) {
      before.hugging_face = {{prefix_ + "pre_ff_layernorm.weight", {config_.hidden}}};
    }
    if (config_.post_norms) {
      in_layer("post_self_attn_layernorm.weight", "post_attention_norm.weight", {config_.hidden});
      in_layer("post_mlp_layernorm.weight", "post_ffw_norm.weight", {config_.hidden});
    }
    if (!config_.has_experts(index)) {
      add_mlp();
    } else {
      add_experts();
    }
  }

  std::vector<NetworkTensor> take() { return std::move(tensors_); }

 private:
  NetworkTensor& in_layer(const std::string& name, const std::string& gguf, const Shape& shape) {
    return add(prefix_ + name, gguf_prefix_ + gguf, shape);
  }

  void add_attention() {
    const AttentionConfig& attention = config_.attention;
    const std::int64_t queries = attention.query_heads * attention.head_dim;
    const std::int64_t keys = attention.kv_heads * attention.head_dim;
    const std::int64_t all = queries + 2 * keys;
    const std::string names[] = {"q", "k", "v"};
    const std::int64_t rows[] = {queries, keys, keys}, first[] = {0, queries, queries + keys};
    for (int i = 0; i < 3; ++i) {
      for (const bool bias : {false, true}) {
        if (bias && !attention.qkv_bias) continue;
        const std::string suffix = bias ? ".bias" : ".weight";
        const auto shape = [&](std::int64_t n) {
          return bias ? Shape{n} : Shape{n, config_.hidden};
        };
        NetworkTensor& tensor = in_layer("self_attn." + names[i] + "_proj" + suffix,
                                         "attn_" + names[i] + suffix, shape(rows[i]));
        tensor.gguf.push_back({gguf_prefix_ + "attn_qkv" + suffix, shape(all), first[i]});
        tensor.rotated = i < 2;
      }
    }
    in_layer("self_attn.o_proj.weight", "attn_output.weight", {config_.hidden, queries});
    if (attention.output_bias) {
      in_layer("self_attn.o_proj.bias", "attn_output.bias", {config_.hidden});
    }
    if (attention.qk_norm) {
      in_layer("self_attn.q_norm.weight", "attn_q_norm.weight", {attention.head_dim});
      in_layer("self_attn.k_norm.weight", "attn_k_norm.weight", {attention.head_dim});
    }
  }

  // In networks of such layers alone they go by other names. GGUF files of them are not read.
  void add_mamba(std::int64_t index) {
    const MambaConfig& mamba = config_.mamba;
    const std::int64_t hidden = config_.hidden, inner = mamba.inner, state = mamba.state;
    const std::string backbone = "backbone.layers." + std::to_string(index) + ".mixer.";
    const auto tensor = [&](const std::string& name, const Shape& shape) {
      in_layer("mamba." + name, "", shape).hugging_face.push_back({backbone + name, shape});
    };
    const std::int64_t channels = mamba.conv_channels();
    tensor("in_proj.weight", {mamba.projected(), hidden});
    tensor("out_proj.weight", {hidden, inner});
    if (mamba.bias) {
      tensor("in_proj.bias", {mamba.projected()});
      tensor("out_proj.bias", {hidden});
    }
    tensor("conv1d.weight", {channels, 1, mamba.conv_kernel});
    if (mamba.conv_bias) tensor("conv1d.bias", {channels});
    if (mamba.version == 2) {
      for (const char* name : {"A_log", "D", "dt_bias"}) tensor(name, {mamba.heads});
      tensor("norm.weight", {inner});
      return;
    }
    tensor("A_log", {inner, state});
    tensor("D", {inner});
    tensor("x_proj.weight", {mamba.time_step_rank + 2 * state, inner});
    tensor("dt_proj.weight", {inner, mamba.time_step_rank});
    tensor("dt_proj.bias", {inner});
    if (!mamba.inner_norms) return;
    tensor("dt_layernorm.weight", {mamba.time_step_rank});
    tensor("b_layernorm.weight", {state});
    tensor("c_layernorm.weight", {state});
  }

  // Hybrids have feed_forward where others have mlp.
  void add_mlp() {
    const std::int64_t hidden = config_.hidden, inner = config_.mlp.intermediate;
    const auto part = [&](const std::string& name, const std::string& gguf,
                          const Shape& shape) -> NetworkTensor& {
      NetworkTensor& tensor = in_layer("mlp." + name, gguf, shape);
      if (config_.mamba.version > 0) {
        tensor.hugging_face = {{prefix_ + "feed_forward." + name, shape}};
      }
      return tensor;
    };
    // Fused: the gate's rows, then up's; GGUF calls the whole ffn_up, and has no gate beside it.
    const Place fused{prefix_ + "mlp.gate_up_proj.weight", {2 * inner, hidden}};
    const Place gguf_fused{gguf_prefix_ + "ffn_up.weight", {2 * inner, hidden}};
    NetworkTensor& gate = part("gate_proj.weight", "ffn_gate.weight", {inner, hidden});
    gate.hugging_face.push_back(fused);
    gate.gguf.push_back(gguf_fused);
    NetworkTensor& up = part("up_proj.weight", "ffn_up.weight", {inner, hidden});
    up.hugging_face.push_back({fused.stored, fused.stored_shape, inner});
    up.gguf.push_back({gguf_fused.stored, gguf_fused.stored_shape, inner});
    part("down_proj.weight", "ffn_down.weight", {hidden, inner});
    if (config_.mlp.bias) {
      part("gate_proj.bias", "ffn_gate.bias", {inner});
      part("up_proj.bias", "ffn_up.bias", {inner});
      part("down_proj.bias", "ffn_down.bias", {hidden});
    }
  }

  void add_experts() {
    const std::int64_t hidden = config_.hidden, inner = config_.mlp.intermediate;
    const std::int64_t experts = config_.mlp.experts;
    NetworkTensor& router =
        in_layer("block_sparse_moe.gate.weight", "ffn_gate_inp.weight", {experts, hidden});
    router.hugging_face.push_back({prefix_ + "mlp.gate.weight", {experts, hidden}});
    router.hugging_face.push_back({prefix_ + "feed_forward.router.weight", {experts, hidden}});
    struct Part {
      const char *mixtral, *qwen, *gguf;
      Shape shape;
    };
    const Part parts[] = {{"w1", "gate_proj", "ffn_gate", {inner, hidden}},
                          {"w3", "up_proj", "ffn_up", {inner, hidden}},
                          {"w2", "down_proj", "ffn_down", {hidden, inner}}};
    for (std::int64_t e = 0; e < experts; ++e) {
      const std::string number = std::to_string(e) + ".";
      for (const Part& part : parts) {
        const Shape stacked = {experts, part.shape[0], part.shape[1]};
        NetworkTensor& tensor =
            in_layer("block_sparse_moe.experts." + number + part.mixtral + ".weight",
                     std::string(part.gguf) + "." + number + "weight", part.shape);
        tensor.hugging_face.push_back(
            {prefix_ + "mlp.experts." + number + part.qwen + ".weight", part.shape});
        tensor.hugging_face.push_back(
            {prefix_ + "feed_forward.experts." + number + part.qwen + ".weight", part.shape});
        tensor.gguf.push_back(
            {gguf_prefix_ + part.gguf + "_exps.weight", stacked, e * part.shape[0]});
      }
    }
  }

  const ModelConfig& config_;
  std::string prefix_, gguf_prefix_;
  std::vector<NetworkTensor> tensors_;
};

}  // namespace

std::vector<NetworkTensor> network_tensors(const ModelConfig& config) {
  Tensors tensors(config);
  const bool recurrent = config.mamba.version > 0;
  NetworkTensor& embedding = tensors.add("model.embed_tokens.weight", "token_embd.weight",
                                         {config.vocabulary, config.hidden});
  if (recurrent) {
    embedding.hugging_face.push_back(
        {"backbone.embeddings.weight", {config.vocabulary, config.hidden}});
  }
  for (std::int64_t i = 0; i < config.layers; ++i) tensors.add_layer(i);
  NetworkTensor& norm = tensors.add("model.norm.weight", "output_norm.weight", {config.hidden});
  if (recurrent) {
    norm.hugging_face = {{"model.final_layernorm.weight", {config.hidden}},
                         {"backbone.norm_f.weight", {config.hidden}}};
  }
  if (!config.tied_embeddings) {
    tensors.add("lm_head.weight", "output.weight", {config.vocabulary, config.hidden});
  }
  return tensors.take();
}

}  // namespace scsim::exec
