// A model's shape from its Hugging Face config.json.
//
// Each family of architectures has a function that makes the model's layers one by one from the
// keys that family uses; like layers are then counted together. Keys are read through Config, which
// keeps the first mistake, so that the families need no error handling of their own.
#include <algorithm>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>

#include "cost_models/shapes.h"
#include "traces/files.h"
#include "traces/text.h"

namespace scsim::cost_models {
namespace {

using Json = nlohmann::json;
using Mixer = LayerClass::Mixer;

// Recurrent models state no longest context; this bounds what a run may ask of one.
constexpr std::int64_t kRecurrentMaxContext = 1 << 20;
// Bounds of what a file may say, so that products of a shape stay within 64 bits.
constexpr std::int64_t kMostOfDimension = 1'000'000, kMostTokens = 1'000'000'000,
                       kMostLayers = 10'000;

class Config {
 public:
  Config(const Json& object, std::string path, std::string prefix)
      : object_(object), path_(std::move(path)), prefix_(std::move(prefix)) {}

  bool has(const char* key) const { return object_.contains(key) && !object_[key].is_null(); }

  std::int64_t integer(const char* key, std::int64_t most = kMostOfDimension) {
    if (!has(key)) return fail(key, "is missing");
    const Json& value = object_[key];
    if (!value.is_number_integer() || value < 0 || value > most) {
      return fail(key, "must be a whole number from 0 to " + format_integer(most) + ", found " +
                           value.dump());
    }
    return value.get<std::int64_t>();
  }
  std::int64_t integer_or(const char* key, std::int64_t otherwise) {
    return has(key) ? integer(key) : otherwise;
  }
  std::int64_t positive(const char* key, std::int64_t most = kMostOfDimension) {
    const std::int64_t value = integer(key, most);
    return value > 0 ? value : fail(key, "must not be 0");
  }
  std::int64_t positive_or(const char* key, std::int64_t otherwise) {
    return has(key) ? positive(key) : otherwise;
  }
  bool flag_or(const char* key, bool otherwise) {
    if (!has(key)) return otherwise;
    if (!object_[key].is_boolean()) {
      fail(key, "must be true or false, found " + object_[key].dump());
      return otherwise;
    }
    return object_[key].get<bool>();
  }
  std::string text_or(const char* key, const std::string& otherwise) {
    if (!has(key)) return otherwise;
    if (!object_[key].is_string()) {
      fail(key, "must be text, found " + object_[key].dump());
      return otherwise;
    }
    return object_[key].get<std::string>();
  }
  const Json& operator[](const char* key) const { return object_[key]; }

  std::int64_t fail(const std::string& key, const std::string& what) {
    if (!error_) error_ = Error{path_ + ": " + prefix_ + key + " " + what};
    return 1;  // harmless where it is divided by
  }
  const std::optional<Error>& error() const { return error_; }
  const std::string& path() const { return path_; }

 private:
  const Json& object_;
  std::string path_, prefix_;
  std::optional<Error> error_;
};

using Layers = std::vector<LayerClass>;  // of count 1 each, in the model's order

std::int64_t num_layers(Config& config) {
  return config.positive("num_hidden_layers", kMostLayers);
}

LayerClass attention(Config& config) {
  LayerClass layer;
  layer.count = 1;
  layer.query_heads = config.positive("num_attention_heads");
  layer.kv_heads = config.positive_or("num_key_value_heads", layer.query_heads);
  if (config.has("head_dim")) {
    layer.head_dim = config.positive("head_dim");
  } else {
    const std::int64_t hidden = config.positive("hidden_size");
    if (hidden % layer.query_heads != 0) {
      config.fail("hidden_size", std::to_string(hidden) +
                                     " is no multiple of num_attention_heads " +
                                     std::to_string(layer.query_heads));
    }
    layer.head_dim = hidden / layer.query_heads;
  }
  return layer;
}

void set_window(LayerClass& layer, std::int64_t window) {
  layer.mixer = Mixer::kSlidingWindow;
  layer.window = window;
}

// Every `pattern`-th layer is full, the others slide; or as `layer_types` says, where it is given.
void set_windows(Config& config, Layers& layers, std::int64_t pattern) {
  if (!config.has("layer_types")) {
    const std::int64_t window = config.positive("sliding_window", kMostTokens);
    for (std::size_t i = 0; i < layers.size(); ++i) {
      if ((static_cast<std::int64_t>(i) + 1) % pattern != 0) set_window(layers[i], window);
    }
    return;
  }
  const Json& types = config["layer_types"];
  if (!types.is_array() || types.size() != layers.size()) {
    config.fail("layer_types", "must be a list of " + std::to_string(layers.size()) +
                                   " names, one for each layer");
    return;
  }
  for (std::size_t i = 0; i < layers.size(); ++i) {
    if (types[i] == "sliding_attention") {
      set_window(layers[i], config.positive("sliding_window", kMostTokens));
    } else if (types[i] != "full_attention") {
      config.fail("layer_types[" + std::to_string(i) + "]",
                  types[i].dump() + " is not supported; known: full_attention, sliding_attention");
    }
  }
}

Layers dense(Config& config) {
  LayerClass layer = attention(config);
  layer.intermediate = config.positive("intermediate_size");
  return Layers(static_cast<std::size_t>(num_layers(config)), layer);
}

// Mistral: with a window, every layer has it.
Layers mistral(Config& config) {
  Layers layers = dense(config);
  if (config.has("sliding_window")) {
    for (LayerClass& layer : layers)
      set_window(layer, config.positive("sliding_window", kMostTokens));
  }
  return layers;
}

Layers mixtral(Config& config) {
  Layers layers = mistral(config);
  for (LayerClass& layer : layers) {
    layer.experts = config.positive("num_local_experts");
    layer.experts_per_token = config.positive("num_experts_per_tok");
  }
  return layers;
}

// Qwen2 and 3: with use_sliding_window, the layers from max_window_layers on slide.
void set_qwen_windows(Config& config, Layers& layers) {
  if (!config.flag_or("use_sliding_window", false)) return;
  if (config.has("layer_types")) return set_windows(config, layers, 1);
  const std::int64_t first = config.integer("max_window_layers");
  for (std::size_t i = 0; i < layers.size(); ++i) {
    if (static_cast<std::int64_t>(i) >= first)
      set_window(layers[i], config.positive("sliding_window", kMostTokens));
  }
}

Layers qwen(Config& config) {
  Layers layers = dense(config);
  set_qwen_windows(config, layers);
  return layers;
}

Layers qwen_moe(Config& config) {
  Layers layers = qwen(config);
  const std::int64_t step = config.positive_or("decoder_sparse_step", 1);
  const Json dense_layers =
      config.has("mlp_only_layers") ? config["mlp_only_layers"] : Json::array();
  for (std::size_t i = 0; i < layers.size(); ++i) {
    if ((static_cast<std::int64_t>(i) + 1) % step != 0) continue;
    if (std::ranges::find(dense_layers, Json(i)) != dense_layers.end()) continue;
    layers[i].intermediate = config.positive("moe_intermediate_size");
    layers[i].experts = config.positive("num_experts");
    layers[i].experts_per_token = config.positive("num_experts_per_tok");
    layers[i].shared_intermediate = config.integer_or("shared_expert_intermediate_size", 0);
  }
  return layers;
}

Layers deepseek(Config& config) {
  LayerClass layer;
  layer.mixer = Mixer::kLatentAttention;
  layer.count = 1;
  layer.query_heads = config.positive("num_attention_heads");
  layer.kv_heads = config.positive_or("num_key_value_heads", layer.query_heads);
  layer.rope_dim = config.positive("qk_rope_head_dim");
  layer.head_dim = config.positive("qk_nope_head_dim") + layer.rope_dim;
  layer.value_head_dim = config.positive("v_head_dim");
  layer.latent_dim = config.positive("kv_lora_rank") + layer.rope_dim;
  layer.query_rank = config.integer_or("q_lora_rank", 0);
  layer.intermediate = config.positive("intermediate_size");
  Layers layers(static_cast<std::size_t>(num_layers(config)), layer);
  if (config.integer_or("n_routed_experts", 0) == 0) return layers;
  const std::int64_t first = config.integer_or("first_k_dense_replace", 0);
  const std::int64_t frequency = config.positive_or("moe_layer_freq", 1);
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const auto index = static_cast<std::int64_t>(i);
    if (index < first || index % frequency != 0) continue;
    layers[i].intermediate = config.positive("moe_intermediate_size");
    layers[i].experts = config.positive("n_routed_experts");
    layers[i].experts_per_token = config.positive("num_experts_per_tok");
    layers[i].shared_intermediate =
        config.integer_or("n_shared_experts", 0) * layers[i].intermediate;
  }
  return layers;
}

Layers gpt_oss(Config& config) {
  Layers layers = dense(config);
  for (LayerClass& layer : layers) {
    layer.experts = config.positive("num_local_experts");
    layer.experts_per_token = config.positive("num_experts_per_tok");
  }
  set_windows(config, layers, 2);
  return layers;
}

Layers gemma(Config& config) { return dense(config); }

Layers gemma2(Config& config) {
  Layers layers = dense(config);
  set_windows(config, layers, config.positive_or("sliding_window_pattern", 2));
  return layers;
}

Layers gemma3(Config& config) {
  Layers layers = dense(config);
  set_windows(config, layers, config.positive_or("sliding_window_pattern", 6));
  return layers;
}

// ChatGLM has names of its own for everything.
Layers chatglm(Config& config) {
  LayerClass layer;
  layer.count = 1;
  layer.query_heads = config.positive("num_attention_heads");
  layer.kv_heads = config.flag_or("multi_query_attention", false)
                       ? config.positive("multi_query_group_num")
                       : layer.query_heads;
  layer.head_dim = config.positive("kv_channels");
  layer.intermediate = config.positive("ffn_hidden_size");
  return Layers(static_cast<std::size_t>(config.positive("num_layers", kMostLayers)), layer);
}

Layers mamba2(Config& config) {
  LayerClass layer;
  layer.mixer = Mixer::kMamba2;
  layer.count = 1;
  layer.inner_dim = config.positive_or("expand", 2) * config.positive("hidden_size");
  layer.state_dim = config.positive("state_size");
  layer.conv_kernel = config.positive("conv_kernel");
  layer.state_heads = config.positive("num_heads");
  layer.state_groups = config.positive("n_groups");
  layer.chunk = config.positive_or("chunk_size", 256);
  return Layers(static_cast<std::size_t>(num_layers(config)), layer);
}

Layers jamba(Config& config) {
  LayerClass with_attention = attention(config);
  with_attention.intermediate = config.positive("intermediate_size");
  const std::int64_t hidden = config.positive("hidden_size");
  LayerClass mamba;
  mamba.mixer = Mixer::kMamba1;
  mamba.count = 1;
  mamba.inner_dim = config.positive_or("mamba_expand", 2) * hidden;
  mamba.state_dim = config.positive("mamba_d_state");
  mamba.conv_kernel = config.positive("mamba_d_conv");
  const bool automatic = config.has("mamba_dt_rank") && config["mamba_dt_rank"] == "auto";
  mamba.dt_rank = automatic ? (hidden + 15) / 16 : config.positive("mamba_dt_rank");
  mamba.intermediate = with_attention.intermediate;
  Layers layers;
  const std::int64_t attention_period = config.positive("attn_layer_period");
  const std::int64_t attention_offset = config.integer("attn_layer_offset");
  const std::int64_t expert_period = config.positive("expert_layer_period");
  const std::int64_t expert_offset = config.integer("expert_layer_offset");
  for (std::int64_t i = 0, count = num_layers(config); i < count; ++i) {
    LayerClass layer = i % attention_period == attention_offset ? with_attention : mamba;
    if (i % expert_period == expert_offset && config.positive("num_experts") > 1) {
      layer.experts = config.positive("num_experts");
      layer.experts_per_token = config.positive("num_experts_per_tok");
    }
    layers.push_back(layer);
  }
  return layers;
}

struct Family {
  std::string model_type;
  Layers (*make)(Config&);
  bool tied_embeddings = false;  // where the file does not say
};

const std::vector<Family>& families() {
  static const std::vector<Family> table = {
      {"chatglm", chatglm},    {"deepseek_v2", deepseek}, {"deepseek_v3", deepseek},
      {"gemma", gemma, true},  {"gemma2", gemma2, true},  {"gemma3_text", gemma3, true},
      {"glm", dense},          {"glm4", dense},           {"gpt_oss", gpt_oss},
      {"jamba", jamba},        {"llama", dense},          {"mamba2", mamba2},
      {"mistral", mistral},    {"mixtral", mixtral},      {"qwen2", qwen},
      {"qwen2_moe", qwen_moe}, {"qwen3", qwen},           {"qwen3_moe", qwen_moe},
  };
  return table;
}

Layers merge_like_layers(const Layers& layers) {
  Layers merged;
  for (const LayerClass& layer : layers) {
    const auto like = std::ranges::find_if(merged, [&](LayerClass known) {
      known.count = layer.count;
      return known == layer;
    });
    if (like == merged.end()) {
      merged.push_back(layer);
    } else {
      ++like->count;
    }
  }
  return merged;
}

// The precision that a checkpoint stores; a number of bits to a name as users write it.
std::string weight_dtype(Config& config) {
  if (!config.has("quantization_config")) {
    const std::string dtype = config.text_or("torch_dtype", config.text_or("dtype", "bfloat16"));
    return dtype == "float16" ? "fp16" : "bf16";  // engines narrow float32 to bf16
  }
  const Json& quantization = config["quantization_config"];
  const std::string method = quantization.value("quant_method", "");
  if (method == "fp8" || method == "mxfp4") return method;
  std::int64_t bits = quantization.value("bits", 0);
  std::string type = "int";
  if (method == "compressed-tensors" && quantization.contains("config_groups")) {
    for (const Json& group : quantization["config_groups"]) {
      const Json weights = group.value("weights", Json::object());
      bits = weights.value("num_bits", 0);
      type = weights.value("type", "int");
    }
  }
  if (type == "float" && bits == 8) return "fp8";
  if (type == "int" && (bits == 4 || bits == 8)) return "int" + std::to_string(bits);
  config.fail("quantization_config",
              "is not understood (quant_method \"" + method +
                  "\"); known: fp8, mxfp4, and awq, gptq and compressed-tensors of 4 or 8 bits");
  return "bf16";
}

std::string model_name(const std::string& path, const std::string& otherwise) {
  const std::filesystem::path file(path);
  const std::string folder = file.parent_path().filename().string();
  if (file.filename() != "config.json") return file.stem().string();
  if (!folder.empty() && folder != "." && folder != "..") return folder;
  return otherwise;
}

// What one key says against another.
void check_layer(Config& config, const LayerClass& layer) {
  if (layer.experts_per_token > layer.experts) {
    config.fail("num_experts_per_tok", std::to_string(layer.experts_per_token) +
                                           " is more than the " + std::to_string(layer.experts) +
                                           " experts");
  }
  if (!layer.recurrent() && layer.query_heads % layer.kv_heads != 0) {
    config.fail("num_attention_heads", std::to_string(layer.query_heads) +
                                           " is no multiple of the " +
                                           std::to_string(layer.kv_heads) + " key and value heads");
  }
}

ModelShape make_model(Config& config, const Family& family) {
  const bool glm = family.model_type == "chatglm";
  const char* context = glm ? "seq_length" : "max_position_embeddings";
  ModelShape model;
  model.name = model_name(config.path(), family.model_type);
  model.source = config.path();
  model.hidden = config.positive("hidden_size");
  model.vocabulary = config.positive(glm ? "padded_vocab_size" : "vocab_size", kMostTokens);
  model.max_context = family.model_type == "mamba2" && !config.has(context)
                          ? kRecurrentMaxContext
                          : config.positive(context, kMostTokens);
  model.tied_embeddings = config.flag_or("tie_word_embeddings", family.tied_embeddings);
  model.layers = merge_like_layers(family.make(config));
  for (const LayerClass& layer : model.layers) check_layer(config, layer);
  model.default_weight_dtype = weight_dtype(config);
  model.only_experts_quantised = model.default_weight_dtype == "mxfp4";
  return model;
}

Expected<ModelShape> from_json(const Json& root, const std::string& path) {
  if (!root.is_object()) return Error{path + ": expected a JSON object"};
  // Models of images and text keep the language model's keys in an object of their own, and some of
  // what holds for both outside of it.
  Json object = root;
  std::string prefix;
  if (root.contains("text_config") && !root.contains("hidden_size")) {
    object = root["text_config"], prefix = "text_config.";
    if (!object.is_object()) return Error{path + ": text_config must be an object"};
    for (const char* key : {"tie_word_embeddings", "torch_dtype", "dtype", "quantization_config"}) {
      if (!object.contains(key) && root.contains(key)) object[key] = root[key];
    }
  }
  Config config(object, path, prefix);
  if (!config.has("model_type")) return Error{path + ": " + prefix + "model_type is missing"};
  const std::string type = config.text_or("model_type", "");
  std::vector<std::string> names;
  for (const Family& family : families()) {
    if (family.model_type != type) {
      names.push_back(family.model_type);
      continue;
    }
    ModelShape model = make_model(config, family);
    if (config.error()) return *config.error();
    return model;
  }
  if (config.error()) return *config.error();
  return Error{path + ": " + unknown_name("model_type", type, names)};
}

}  // namespace

Expected<ModelShape> model_from_config_text(const std::string& text, const std::string& path) {
  try {
    return from_json(Json::parse(text), path);
  } catch (const Json::parse_error& e) {
    const auto end = text.begin() + static_cast<std::ptrdiff_t>(std::min(e.byte, text.size()));
    const auto line = 1 + std::count(text.begin(), end, '\n');
    return Error{path + ":" + std::to_string(line) + ": not valid JSON"};
  } catch (const Json::exception& e) {
    return Error{path + ": " + e.what()};
  }
}

Expected<ModelShape> model_from_config(const std::string& config_json_path) {
  Expected<std::string> text = read_file(config_json_path);
  if (!text) return text.error();
  return model_from_config_text(*text, config_json_path);
}

}  // namespace scsim::cost_models
