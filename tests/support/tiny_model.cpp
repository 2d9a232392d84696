#include "tests/support/tiny_model.h"

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

}  // namespace

void write_tiny_model(const std::string& folder, const TinyModel& model) {
  const int vocabulary = kByteTokens + static_cast<int>(std::size(kSpecialTokens));
  const int end = vocabulary - 1;
  write(folder, "config.json",
        ordered_json{{"architectures", {"LlamaForCausalLM"}},
                     {"model_type", "llama"},
                     {"hidden_size", model.hidden},
                     {"intermediate_size", model.intermediate},
                     {"num_hidden_layers", model.layers},
                     {"num_attention_heads", model.query_heads},
                     {"num_key_value_heads", model.kv_heads},
                     {"head_dim", model.head_dim},
                     {"vocab_size", vocabulary},
                     {"max_position_embeddings", model.max_positions},
                     {"rms_norm_eps", 1e-5},
                     {"rope_theta", 10000.0},
                     {"hidden_act", "silu"},
                     {"tie_word_embeddings", true},
                     {"bos_token_id", vocabulary - 2},
                     {"eos_token_id", end},
                     {"torch_dtype", "float32"}}
            .dump());
  Weights weights(model.seed);
  weights.add("model.embed_tokens.weight", {vocabulary, model.hidden}, 0, 0.5F);
  const int queries = model.query_heads * model.head_dim, keys = model.kv_heads * model.head_dim;
  for (int layer = 0; layer < model.layers; ++layer) {
    const std::string at = "model.layers." + std::to_string(layer) + ".";
    const float scale = 0.15F;
    weights.add(at + "input_layernorm.weight", {model.hidden}, 1, 0.1F);
    weights.add(at + "self_attn.q_proj.weight", {queries, model.hidden}, 0, scale);
    weights.add(at + "self_attn.k_proj.weight", {keys, model.hidden}, 0, scale);
    weights.add(at + "self_attn.v_proj.weight", {keys, model.hidden}, 0, scale);
    weights.add(at + "self_attn.o_proj.weight", {model.hidden, queries}, 0, scale);
    weights.add(at + "post_attention_layernorm.weight", {model.hidden}, 1, 0.1F);
    weights.add(at + "mlp.gate_proj.weight", {model.intermediate, model.hidden}, 0, scale);
    weights.add(at + "mlp.up_proj.weight", {model.intermediate, model.hidden}, 0, scale);
    weights.add(at + "mlp.down_proj.weight", {model.hidden, model.intermediate}, 0, scale);
  }
  weights.add("model.norm.weight", {model.hidden}, 1, 0.1F);
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
