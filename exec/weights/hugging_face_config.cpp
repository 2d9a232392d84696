// A table says what the families' files leave unsaid; the rest is keys. What a key has in common in
// transformers 4 and 5: rope_theta and rope_scaling became rope_parameters.
#include "exec/weights/hugging_face_config.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "exec/weights/config_checks.h"
#include "traces/files.h"
#include "traces/text.h"

namespace scsim::exec {
namespace {

using Json = nlohmann::json;

struct Family {
  std::string model_type;
  bool qkv_bias = false;  // where attention_bias is not said
  bool qk_norm = false;
  bool interleaved = false;   // rotary pairs (2i, 2i+1)
  double partial_rotary = 1;  // where partial_rotary_factor is not said
  bool post_norms = false;
  bool experts = false;
};

const std::vector<Family>& families() {
  static const std::vector<Family> table = {
      {.model_type = "glm", .qkv_bias = true, .interleaved = true, .partial_rotary = 0.5},
      {.model_type = "glm4",
       .qkv_bias = true,
       .interleaved = true,
       .partial_rotary = 0.5,
       .post_norms = true},
      {.model_type = "llama"},
      {.model_type = "mistral"},
      {.model_type = "mixtral", .experts = true},
      {.model_type = "qwen2", .qkv_bias = true},
      {.model_type = "qwen3", .qk_norm = true}};
  return table;
}

// Reads keys; keeps the first mistake.
class Keys {
 public:
  Keys(const Json& object, std::string path, std::string prefix = "")
      : object_(object), path_(std::move(path)), prefix_(std::move(prefix)) {}

  bool has(const char* key) const { return object_.contains(key) && !object_[key].is_null(); }
  std::optional<std::int64_t> integer(const char* key) {
    if (!has(key)) return std::nullopt;
    if (!object_[key].is_number_integer()) return fail(key, "must be a whole number"), std::nullopt;
    return object_[key].get<std::int64_t>();
  }
  std::int64_t required(const char* key) {
    if (!has(key)) fail(key, "is missing");
    return integer(key).value_or(1);
  }
  std::optional<double> number(const char* key) {
    if (!has(key)) return std::nullopt;
    if (!object_[key].is_number()) return fail(key, "must be a number"), std::nullopt;
    return object_[key].get<double>();
  }
  bool flag(const char* key, bool otherwise) {
    if (!has(key)) return otherwise;
    if (!object_[key].is_boolean()) return fail(key, "must be true or false"), otherwise;
    return object_[key].get<bool>();
  }
  std::string text(const char* key) {
    if (!has(key)) return "";
    if (!object_[key].is_string()) return fail(key, "must be a text"), "";
    return object_[key].get<std::string>();
  }
  // One id or a list of them.
  std::vector<std::int32_t> ids(const char* key) {
    std::vector<std::int32_t> all;
    if (!has(key)) return all;
    const Json list = object_[key].is_array() ? object_[key] : Json::array({object_[key]});
    for (const Json& id : list) {
      if (!id.is_number_integer() || id < 0 || id > kMostTokens) {
        fail(key, "must be a token's id, or a list of them");
        return {};
      }
      all.push_back(id.get<std::int32_t>());
    }
    return all;
  }
  void fail(const std::string& key, const std::string& what) {
    if (!error_) error_ = Error{path_ + ": " + prefix_ + key + " " + what};
  }
  const std::optional<Error>& error() const { return error_; }
  const Json& operator[](const char* key) const { return object_[key]; }

 private:
  const Json& object_;
  std::string path_, prefix_;
  std::optional<Error> error_;
};

void read_scaling(Keys& keys, RopeConfig& rope, std::int64_t max_positions) {
  std::string type = keys.text("rope_type");
  if (type.empty()) type = keys.text("type");
  rope.factor = keys.number("factor").value_or(1);
  rope.original_max_positions =
      keys.number("original_max_position_embeddings").value_or(static_cast<double>(max_positions));
  if (type.empty() || type == "default") {
    rope.factor = 1;
  } else if (type == "linear") {
    rope.scaling = RopeConfig::Scaling::kLinear;
  } else if (type == "llama3") {
    rope.scaling = RopeConfig::Scaling::kLlama3;
    rope.low_freq_factor = keys.number("low_freq_factor").value_or(1);
    rope.high_freq_factor = keys.number("high_freq_factor").value_or(4);
  } else if (type == "yarn") {
    rope.scaling = RopeConfig::Scaling::kYarn;
    rope.beta_fast = keys.number("beta_fast").value_or(32);
    rope.beta_slow = keys.number("beta_slow").value_or(1);
    rope.attention_factor = keys.number("attention_factor");
    for (const char* other : {"mscale", "mscale_all_dim", "truncate"}) {
      if (keys.has(other)) keys.fail(other, "is not supported");
    }
  } else {
    keys.fail("rope_type",
              json_quote(type) + " is not supported; known: default, linear, llama3, yarn");
  }
}

Expected<void> read_rope(Keys& keys, const std::string& path, RopeConfig& rope,
                         std::int64_t max_positions) {
  rope.theta = keys.number("rope_theta").value_or(10000);
  for (const char* name : {"rope_scaling", "rope_parameters"}) {
    if (!keys.has(name)) continue;
    if (!keys[name].is_object()) return Error{path + ": " + name + " must be an object"};
    Keys inner(keys[name], path, std::string(name) + ".");
    rope.theta = inner.number("rope_theta").value_or(rope.theta);
    read_scaling(inner, rope, max_positions);
    if (inner.error()) return *inner.error();
  }
  return {};
}

void read_window(Keys& keys, const std::string& model_type, ModelConfig& config) {
  const std::int64_t window = keys.integer("sliding_window").value_or(0);
  // Qwen's files name a window that is not in use.
  const bool used = model_type.starts_with("qwen") ? keys.flag("use_sliding_window", false) : true;
  if (!used || window <= 0) return;
  if (keys.has("layer_types") && keys["layer_types"].is_array()) {
    const Json& types = keys["layer_types"];
    if (std::ranges::any_of(types, [&](const Json& type) { return type != types[0]; })) {
      keys.fail("layer_types", "differs from layer to layer, which is not supported");
    }
    if (!types.empty() && types[0] == "full_attention") return;
  }
  config.attention.sliding_window = window;
}

}  // namespace

Expected<ModelConfig> read_hugging_face_config(const std::string& folder) {
  const std::string path = folder + "/config.json";
  const Expected<std::string> text = read_file(path);
  if (!text) return text.error();
  const Json json = Json::parse(*text, nullptr, false);
  if (!json.is_object()) return Error{path + ": expected a JSON object"};
  Keys keys(json, path);
  const std::string model_type = keys.text("model_type");
  std::vector<std::string> known;
  const Family* family = nullptr;
  for (const Family& each : families()) {
    known.push_back(each.model_type);
    if (each.model_type == model_type) family = &each;
  }
  if (family == nullptr) return Error{path + ": " + unknown_name("model_type", model_type, known)};
  if (keys.has("quantization_config")) {
    return Error{path +
                 ": quantization_config: quantised safetensors are not supported; GGUF files are"};
  }

  ModelConfig config;
  config.family = model_type;
  config.name = std::filesystem::path(keys.text("_name_or_path")).filename().string();
  if (config.name.empty()) {
    config.name = std::filesystem::weakly_canonical(folder).filename().string();
  }
  config.hidden = keys.required("hidden_size");
  config.layers = keys.required("num_hidden_layers");
  config.vocabulary = keys.required("vocab_size");
  config.max_positions = keys.required("max_position_embeddings");
  config.norm_epsilon = keys.number("rms_norm_eps").value_or(1e-6);
  config.tied_embeddings = keys.flag("tie_word_embeddings", false);
  config.post_norms = family->post_norms;
  if (const std::string act = keys.text("hidden_act"); !act.empty() && act != "silu") {
    keys.fail("hidden_act", json_quote(act) + " is not supported; known: silu");
  }

  AttentionConfig& attention = config.attention;
  attention.query_heads = keys.required("num_attention_heads");
  attention.kv_heads = keys.integer("num_key_value_heads").value_or(attention.query_heads);
  attention.head_dim =
      keys.integer("head_dim")
          .value_or(config.hidden / std::max<std::int64_t>(attention.query_heads, 1));
  attention.qkv_bias = keys.flag("attention_bias", family->qkv_bias);
  // Llama's attention_bias speaks of the output, too; the others' does not.
  attention.output_bias = (model_type == "llama" || model_type == "qwen3") && attention.qkv_bias;
  attention.qk_norm = family->qk_norm;
  read_window(keys, model_type, config);

  config.mlp.intermediate = keys.required("intermediate_size");
  config.mlp.bias = keys.flag("mlp_bias", false);
  if (family->experts) {
    config.mlp.experts = keys.required("num_local_experts");
    config.mlp.experts_per_token = keys.required("num_experts_per_tok");
  }

  double partial = keys.number("partial_rotary_factor").value_or(family->partial_rotary);
  if (keys.has("rope_parameters") && keys["rope_parameters"].is_object()) {
    Keys inner(keys["rope_parameters"], path, "rope_parameters.");
    partial = inner.number("partial_rotary_factor").value_or(partial);
  }
  config.rope.rotary_dim =
      static_cast<std::int64_t>(static_cast<double>(attention.head_dim) * partial);
  config.rope.interleaved = family->interleaved;
  if (const auto rope = read_rope(keys, path, config.rope, config.max_positions); !rope)
    return rope.error();
  config.end_tokens = keys.ids("eos_token_id");
  const std::vector<std::int32_t> begin = keys.ids("bos_token_id");
  if (!begin.empty()) config.begin_token = begin.front();
  if (keys.error()) return *keys.error();
  if (const auto checked = check_config(config, path); !checked) return checked.error();
  return config;
}

}  // namespace scsim::exec
