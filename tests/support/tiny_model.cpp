#include "tests/support/tiny_model.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "traces/check.h"
#include "traces/files.h"
#include "traces/rng.h"

namespace scsim::test {
namespace {

using nlohmann::ordered_json;

constexpr int kByteTokens = 256;
const char* const kSpecialTokens[] = {"<|endoftext|>", "<|im_start|>", "<|im_end|>"};

void write(const std::string& folder, const std::string& name, const std::string& text) {
  SCSIM_CHECK(write_file(folder + "/" + name, text).has_value());
}

std::string utf8(int character) {
  if (character < 0x80) return std::string(1, static_cast<char>(character));
  return {static_cast<char>(0xC0 | (character >> 6)), static_cast<char>(0x80 | (character & 0x3F))};
}

// The printable character that stands for a byte in byte-level vocabularies.
std::string byte_name(int byte) {
  const auto printable = [](int b) {
    return (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || (b >= 174 && b <= 255);
  };
  if (printable(byte)) return utf8(byte);
  int next = 256;
  for (int b = 0; b < byte; ++b) next += printable(b) ? 0 : 1;
  return utf8(next);
}

std::string tokenizer_json() {
  ordered_json vocabulary, added = ordered_json::array();
  for (int byte = 0; byte < kByteTokens; ++byte) vocabulary[byte_name(byte)] = byte;
  int id = kByteTokens;
  for (const char* token : kSpecialTokens) {
    vocabulary[token] = id;
    added.push_back({{"id", id++},
                     {"content", token},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", true}});
  }
  const ordered_json byte_level = {{"type", "ByteLevel"},
                                   {"add_prefix_space", false},
                                   {"trim_offsets", true},
                                   {"use_regex", true}};
  return ordered_json{{"version", "1.0"},
                      {"truncation", nullptr},
                      {"padding", nullptr},
                      {"added_tokens", added},
                      {"normalizer", nullptr},
                      {"pre_tokenizer", byte_level},
                      {"post_processor", nullptr},
                      {"decoder", byte_level},
                      {"model",
                       {{"type", "BPE"},
                        {"dropout", nullptr},
                        {"unk_token", nullptr},
                        {"continuing_subword_prefix", nullptr},
                        {"end_of_word_suffix", nullptr},
                        {"fuse_unk", false},
                        {"byte_fallback", false},
                        {"vocab", vocabulary},
                        {"merges", ordered_json::array()}}}}
      .dump();
}

// Little-endian float32 tensors behind a JSON header, as safetensors has them.
class Weights {
 public:
  explicit Weights(std::uint64_t seed) : rng_(seed, "test.tiny_model") {}

  void add(const std::string& name, std::vector<std::int64_t> shape, float mean, float deviation) {
    std::int64_t elements = 1;
    for (const std::int64_t n : shape) elements *= n;
    const std::size_t begin = data_.size();
    for (std::int64_t i = 0; i < elements; ++i) {
      const float value = mean + deviation * static_cast<float>(rng_.normal());
      const auto bits = std::bit_cast<std::uint32_t>(value);
      for (int shift = 0; shift < 32; shift += 8)
        data_ += static_cast<char>((bits >> shift) & 0xFF);
    }
    header_[name] = {{"dtype", "F32"}, {"shape", shape}, {"data_offsets", {begin, data_.size()}}};
  }

  std::string file() const {
    const std::string header = header_.dump();
    std::string length;
    for (int shift = 0; shift < 64; shift += 8)
      length += static_cast<char>((header.size() >> shift) & 0xFF);
    return length + header + data_;
  }

 private:
  Rng rng_;
  ordered_json header_;
  std::string data_;
};

constexpr float kScale = 0.15F;

void add_attention(Weights& weights, const std::string& at, const TinyModel& model) {
  const int queries = model.query_heads * model.head_dim, keys = model.kv_heads * model.head_dim;
  weights.add(at + "self_attn.q_proj.weight", {queries, model.hidden}, 0, kScale);
  weights.add(at + "self_attn.k_proj.weight", {keys, model.hidden}, 0, kScale);
  weights.add(at + "self_attn.v_proj.weight", {keys, model.hidden}, 0, kScale);
  weights.add(at + "self_attn.o_proj.weight", {model.hidden, queries}, 0, kScale);
}

void add_mlp(Weights& weights, const std::string& at, const TinyModel& model) {
  weights.add(at + "gate_proj.weight", {model.intermediate, model.hidden}, 0, kScale);
  weights.add(at + "up_proj.weight", {model.intermediate, model.hidden}, 0, kScale);
  weights.add(at + "down_proj.weight", {model.hidden, model.intermediate}, 0, kScale);
}

ordered_json common_config(const TinyModel& model, int vocabulary) {
  return {{"hidden_size", model.hidden},    {"num_hidden_layers", model.layers},
          {"vocab_size", vocabulary},       {"hidden_act", "silu"},
          {"tie_word_embeddings", true},    {"bos_token_id", vocabulary - 2},
          {"eos_token_id", vocabulary - 1}, {"torch_dtype", "float32"}};
}

ordered_json attention_config(const TinyModel& model) {
  return {
      {"intermediate_size", model.intermediate},        {"num_attention_heads", model.query_heads},
      {"num_key_value_heads", model.kv_heads},          {"head_dim", model.head_dim},
      {"max_position_embeddings", model.max_positions}, {"rms_norm_eps", 1e-5}};
}

ordered_json write_llama(Weights& weights, const TinyModel& model, int vocabulary) {
  weights.add("model.embed_tokens.weight", {vocabulary, model.hidden}, 0, 0.5F);
  for (int layer = 0; layer < model.layers; ++layer) {
    const std::string at = "model.layers." + std::to_string(layer) + ".";
    weights.add(at + "input_layernorm.weight", {model.hidden}, 1, 0.1F);
    add_attention(weights, at, model);
    weights.add(at + "post_attention_layernorm.weight", {model.hidden}, 1, 0.1F);
    add_mlp(weights, at + "mlp.", model);
  }
  weights.add("model.norm.weight", {model.hidden}, 1, 0.1F);
  ordered_json config = common_config(model, vocabulary);
  config.update(attention_config(model));
  config.update(
      {{"architectures", {"LlamaForCausalLM"}}, {"model_type", "llama"}, {"rope_theta", 10000.0}});
  return config;
}

// Twice `hidden` channels.
ordered_json write_mamba2(Weights& weights, const TinyModel& model, int vocabulary) {
  constexpr int kKernel = 4;
  const int heads = model.recurrent_heads, inner = 2 * model.hidden;
  const int channels = inner + 2 * model.recurrent_groups * model.recurrent_state;
  weights.add("backbone.embeddings.weight", {vocabulary, model.hidden}, 0, 0.5F);
  for (int layer = 0; layer < model.layers; ++layer) {
    const std::string at = "backbone.layers." + std::to_string(layer) + ".";
    weights.add(at + "norm.weight", {model.hidden}, 1, 0.1F);
    weights.add(at + "mixer.in_proj.weight", {inner + channels + heads, model.hidden}, 0, kScale);
    weights.add(at + "mixer.conv1d.weight", {channels, 1, kKernel}, 0, 0.5F);
    weights.add(at + "mixer.conv1d.bias", {channels}, 0, 0.1F);
    weights.add(at + "mixer.A_log", {heads}, 0, 0.5F);
    weights.add(at + "mixer.D", {heads}, 1, 0.1F);
    weights.add(at + "mixer.dt_bias", {heads}, -2, 0.5F);
    weights.add(at + "mixer.norm.weight", {inner}, 1, 0.1F);
    weights.add(at + "mixer.out_proj.weight", {model.hidden, inner}, 0, kScale);
  }
  weights.add("backbone.norm_f.weight", {model.hidden}, 1, 0.1F);
  ordered_json config = common_config(model, vocabulary);
  config.update({{"architectures", {"Mamba2ForCausalLM"}},
                 {"model_type", "mamba2"},
                 {"num_heads", heads},
                 {"head_dim", inner / heads},
                 {"n_groups", model.recurrent_groups},
                 {"state_size", model.recurrent_state},
                 {"conv_kernel", kKernel},
                 {"expand", 2},
                 {"layer_norm_epsilon", 1e-5}});
  return config;
}

// Every second layer attends, and has two experts of which a token goes to one.
ordered_json write_jamba(Weights& weights, const TinyModel& model, int vocabulary) {
  constexpr int kState = 8, kKernel = 4, kRank = 4, kExperts = 2;
  const int inner = 2 * model.hidden;
  weights.add("model.embed_tokens.weight", {vocabulary, model.hidden}, 0, 0.5F);
  for (int layer = 0; layer < model.layers; ++layer) {
    const std::string at = "model.layers." + std::to_string(layer) + ".";
    weights.add(at + "input_layernorm.weight", {model.hidden}, 1, 0.1F);
    weights.add(at + "pre_ff_layernorm.weight", {model.hidden}, 1, 0.1F);
    if (layer % 2 == 1) {
      add_attention(weights, at, model);
      weights.add(at + "feed_forward.router.weight", {kExperts, model.hidden}, 0, kScale);
      for (int expert = 0; expert < kExperts; ++expert) {
        add_mlp(weights, at + "feed_forward.experts." + std::to_string(expert) + ".", model);
      }
      continue;
    }
    weights.add(at + "mamba.in_proj.weight", {2 * inner, model.hidden}, 0, kScale);
    weights.add(at + "mamba.conv1d.weight", {inner, 1, kKernel}, 0, 0.5F);
    weights.add(at + "mamba.conv1d.bias", {inner}, 0, 0.1F);
    weights.add(at + "mamba.A_log", {inner, kState}, 0, 0.5F);
    weights.add(at + "mamba.D", {inner}, 1, 0.1F);
    weights.add(at + "mamba.x_proj.weight", {kRank + 2 * kState, inner}, 0, kScale);
    weights.add(at + "mamba.dt_proj.weight", {inner, kRank}, 0, kScale);
    weights.add(at + "mamba.dt_proj.bias", {inner}, -2, 0.5F);
    weights.add(at + "mamba.dt_layernorm.weight", {kRank}, 1, 0.1F);
    weights.add(at + "mamba.b_layernorm.weight", {kState}, 1, 0.1F);
    weights.add(at + "mamba.c_layernorm.weight", {kState}, 1, 0.1F);
    weights.add(at + "mamba.out_proj.weight", {model.hidden, inner}, 0, kScale);
    add_mlp(weights, at + "feed_forward.", model);
  }
  weights.add("model.final_layernorm.weight", {model.hidden}, 1, 0.1F);
  ordered_json config = common_config(model, vocabulary);
  config.update(attention_config(model));
  config.update({{"architectures", {"JambaForCausalLM"}},
                 {"model_type", "jamba"},
                 {"attn_layer_period", 2},
                 {"attn_layer_offset", 1},
                 {"expert_layer_period", 2},
                 {"expert_layer_offset", 1},
                 {"num_experts", kExperts},
                 {"num_experts_per_tok", 1},
                 {"mamba_d_state", kState},
                 {"mamba_d_conv", kKernel},
                 {"mamba_dt_rank", kRank},
                 {"mamba_expand", 2}});
  return config;
}

}  // namespace

void write_tiny_model(const std::string& folder, const TinyModel& model) {
  const int known = kByteTokens + static_cast<int>(std::size(kSpecialTokens));
  const int vocabulary = std::max(known, model.vocabulary);
  Weights weights(model.seed);
  const auto write_network = model.family == TinyFamily::kMamba2  ? write_mamba2
                             : model.family == TinyFamily::kJamba ? write_jamba
                                                                  : write_llama;
  write(folder, "config.json", write_network(weights, model, vocabulary).dump());
  write(folder, "model.safetensors", weights.file());
  write(folder, "tokenizer.json", tokenizer_json());
  write(folder, "tokenizer_config.json",
        ordered_json{{"eos_token", "<|im_end|>"},
                     {"bos_token", "<|im_start|>"},
                     {"chat_template",
                      "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + "
                      "message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if "
                      "add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"}}
            .dump());
}

}  // namespace scsim::test
