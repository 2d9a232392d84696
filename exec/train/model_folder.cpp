#include "exec/train/model_folder.h"

#include <ATen/ATen.h>

#include <bit>
#include <nlohmann/json.hpp>

#include "exec/tasks/symbols.h"
#include "exec/weights/network_tensors.h"
#include "traces/check.h"
#include "traces/files.h"

namespace scsim::exec {
namespace {

using Json = nlohmann::ordered_json;

static_assert(std::endian::native == std::endian::little);  // as safetensors are

void add_attention(const ModelConfig& config, Json& json) {
  const AttentionConfig& attention = config.attention;
  json["max_position_embeddings"] = config.max_positions;
  json["rms_norm_eps"] = config.norm_epsilon;
  json["num_attention_heads"] = attention.query_heads;
  json["num_key_value_heads"] = attention.kv_heads;
  json["head_dim"] = attention.head_dim;
  json["attention_bias"] = false;
  json["mlp_bias"] = false;
  json["intermediate_size"] = config.mlp.intermediate;
  json["rope_parameters"] = {
      {"rope_type", "default"},
      {"rope_theta", config.rope.theta},
      {"partial_rotary_factor",
       static_cast<double>(config.rope.rotary_dim) / static_cast<double>(attention.head_dim)}};
}

void add_mamba2(const ModelConfig& config, Json& json) {
  const MambaConfig& mamba = config.mamba;
  json["layer_norm_epsilon"] = config.norm_epsilon;
  json["expand"] = mamba.inner / config.hidden;
  json["num_heads"] = mamba.heads;
  json["head_dim"] = mamba.head_dim;
  json["n_groups"] = mamba.groups;
  json["state_size"] = mamba.state;
  json["conv_kernel"] = mamba.conv_kernel;
  json["use_conv_bias"] = true;
  json["use_bias"] = false;
  json["rms_norm"] = true;
  json["chunk_size"] = 64;
}

void add_bamba(const ModelConfig& config, Json& json) {
  add_attention(config, json);
  const MambaConfig& mamba = config.mamba;
  json["mamba_expand"] = mamba.inner / config.hidden;
  json["mamba_n_heads"] = mamba.heads;
  json["mamba_d_head"] = mamba.head_dim;
  json["mamba_n_groups"] = mamba.groups;
  json["mamba_d_state"] = mamba.state;
  json["mamba_d_conv"] = mamba.conv_kernel;
  json["mamba_conv_bias"] = true;
  json["mamba_proj_bias"] = false;
  json["mamba_chunk_size"] = 64;
  json["attn_layer_indices"] = Json::array();
  for (std::int64_t i = 0; i < config.layers; ++i) {
    if (config.attends(i)) json["attn_layer_indices"].push_back(i);
  }
}

// Networks of recurrent layers alone have names of their own.
const std::string& stored_name(const NetworkTensor& tensor, const ModelConfig& config) {
  for (const Place& place : tensor.hugging_face) {
    if (config.family == "mamba2" && place.stored.starts_with("backbone.")) return place.stored;
  }
  return tensor.hugging_face.front().stored;
}

}  // namespace

std::string symbol_tokenizer_json() {
  Json vocabulary = Json::object();
  int id = 0;
  for (const char c : symbol_characters()) {
    vocabulary[c == ' ' ? "\u0120" : std::string(1, c)] = id++;  // a byte-level space
  }
  const Json bytes = {{"type", "ByteLevel"},
                      {"add_prefix_space", false},
                      {"trim_offsets", true},
                      {"use_regex", true}};
  const Json json = {{"version", "1.0"},
                     {"truncation", nullptr},
                     {"padding", nullptr},
                     {"added_tokens", Json::array()},
                     {"normalizer", nullptr},
                     {"pre_tokenizer", bytes},
                     {"post_processor", nullptr},
                     {"decoder", bytes},
                     {"model",
                      {{"type", "BPE"},
                       {"dropout", nullptr},
                       {"unk_token", nullptr},
                       {"continuing_subword_prefix", nullptr},
                       {"end_of_word_suffix", nullptr},
                       {"fuse_unk", false},
                       {"byte_fallback", false},
                       {"vocab", vocabulary},
                       {"merges", Json::array()}}}};
  return json.dump(1) + "\n";
}

std::string config_json(const ModelConfig& config) {
  const std::map<std::string, std::pair<const char*, void (*)(const ModelConfig&, Json&)>>
      families = {{"llama", {"LlamaForCausalLM", add_attention}},
                  {"mamba2", {"Mamba2ForCausalLM", add_mamba2}},
                  {"bamba", {"BambaForCausalLM", add_bamba}}};
  const auto found = families.find(config.family);
  SCSIM_CHECK(found != families.end());
  Json json = {{"architectures", {found->second.first}},
               {"model_type", config.family},
               {"dtype", "float32"},
               {"hidden_act", "silu"},
               {"hidden_size", config.hidden},
               {"num_hidden_layers", config.layers},
               {"vocab_size", config.vocabulary},
               {"tie_word_embeddings", config.tied_embeddings},
               // No text has a token of these kinds.
               {"bos_token_id", nullptr},
               {"eos_token_id", nullptr},
               {"pad_token_id", nullptr}};
  found->second.second(config, json);
  return json.dump(1) + "\n";
}

Expected<void> save_model(const std::string& folder, const ModelConfig& config,
                          const std::map<std::string, at::Tensor>& parameters) {
  Json table = {{"__metadata__", {{"format", "pt"}}}};
  std::string data;
  for (const NetworkTensor& tensor : network_tensors(config)) {
    const auto found = parameters.find(tensor.name);
    SCSIM_CHECK(found != parameters.end());
    const at::Tensor value = found->second.detach().contiguous();
    SCSIM_CHECK(value.scalar_type() == at::kFloat);
    const std::size_t begin = data.size();
    data.append(static_cast<const char*>(value.const_data_ptr()), value.nbytes());
    table[stored_name(tensor, config)] = {
        {"dtype", "F32"}, {"shape", tensor.shape}, {"data_offsets", {begin, data.size()}}};
  }
  std::string header = table.dump();
  header.resize((header.size() + 7) / 8 * 8, ' ');
  const auto bytes = static_cast<std::uint64_t>(header.size());
  const std::string size(reinterpret_cast<const char*>(&bytes), sizeof bytes);
  if (auto done = write_file(folder + "/config.json", config_json(config)); !done) return done;
  return write_file(folder + "/model.safetensors", size + header + data);
}

}  // namespace scsim::exec
