// Each family is a function that sets what its config.json says besides what all have in common.
// Keys are read through Keys, which keeps the first mistake.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>

#include "exec/weights/config_checks.h"
#include "exec/weights/hugging_face_folder.h"
#include "traces/files.h"
#include "traces/text.h"

namespace scsim::exec {
namespace {

using Json = nlohmann::json;
using Scaling = RopeConfig::Scaling;

class Keys {
 public:
  Keys(const Json& object, std::string path, std::string prefix = "")
      : object_(object), path_(std::move(path)), prefix_(std::move(prefix)) {}

  bool has(const std::string& key) const {
    return object_.contains(key) && !object_[key].is_null();
  }
  std::int64_t integer(const std::string& key) {
    if (!has(key)) return fail(key, "is missing"), 1;
    const Json& value = object_[key];
    if (!value.is_number_integer() || value < 0 || value > kMostTokens) {
      return fail(key, "must be a whole number from 0 to " + format_integer(kMostTokens) +
                           ", found " + value.dump()),
             1;
    }
    return value.get<std::int64_t>();
  }
  std::int64_t integer_or(const std::string& key, std::int64_t otherwise) {
    return has(key) ? integer(key) : otherwise;
  }
  // Where the file says "auto" or nothing.
  std::int64_t integer_unless_auto(const std::string& key, std::int64_t otherwise) {
    return has(key) && object_[key] == "auto" ? otherwise : integer_or(key, otherwise);
  }
  double number(const std::string& key) {
    if (!has(key)) return fail(key, "is missing"), 1;
    if (object_[key].is_number()) return object_[key].get<double>();
    return fail(key, "must be a number, found " + object_[key].dump()), 1;
  }
  double number_or(const std::string& key, double otherwise) {
    return has(key) ? number(key) : otherwise;
  }
  bool flag_or(const std::string& key, bool otherwise) {
    if (!has(key)) return otherwise;
    if (object_[key].is_boolean()) return object_[key].get<bool>();
    return fail(key, "must be true or false, found " + object_[key].dump()), otherwise;
  }
  std::string text_or(const std::string& key, const std::string& otherwise) {
    if (!has(key)) return otherwise;
    if (object_[key].is_string()) return object_[key].get<std::string>();
    return fail(key, "must be text, found " + object_[key].dump()), otherwise;
  }
  const Json& operator[](const std::string& key) const { return object_[key]; }
  const std::string& path() const { return path_; }

  void fail(const std::string& key, const std::string& what) {
    if (!error_) error_ = Error{path_ + ": " + prefix_ + key + " " + what};
  }
  void adopt(const std::optional<Error>& error) {
    if (!error_) error_ = error;
  }
  const std::optional<Error>& error() const { return error_; }

 private:
  const Json& object_;
  std::string path_, prefix_;
  std::optional<Error> error_;
};

// The window where all layers have it, 0 where none has. `slide` says of a layer, where the file
// does not name the layers' kinds, whether it does.
std::int64_t window(Keys& keys, std::int64_t layers, auto slide) {
  std::int64_t sliding = 0;
  const bool named = keys.has("layer_types");
  const Json types = named ? keys["layer_types"] : Json();
  if (named && (!types.is_array() || std::ssize(types) != layers)) {
    keys.fail("layer_types", "must be a list of " + std::to_string(layers) + " names");
    return 0;
  }
  for (std::int64_t i = 0; i < layers; ++i) {
    const auto at = static_cast<std::size_t>(i);
    if (named && types[at] != "sliding_attention" && types[at] != "full_attention") {
      keys.fail("layer_types", "has the unsupported " + types[at].dump() +
                                   "; known: full_attention, sliding_attention");
    }
    sliding += named ? types[at] == "sliding_attention" : slide(i);
  }
  if (sliding == 0) return 0;
  if (sliding != layers) {
    keys.fail("sliding_window", "holds for " + std::to_string(sliding) + " of " +
                                    std::to_string(layers) +
                                    " layers; expected all of them or none");
  }
  return keys.integer("sliding_window");
}

void llama(Keys& keys, ModelConfig& config) {
  config.attention.qkv_bias = config.attention.output_bias = keys.flag_or("attention_bias", false);
  config.mlp.bias = keys.flag_or("mlp_bias", false);
}

void mistral(Keys& keys, ModelConfig& config) {
  if (!keys.has("sliding_window")) return;
  config.attention.sliding_window = window(keys, config.layers, [](std::int64_t) { return true; });
}

void mixtral(Keys& keys, ModelConfig& config) {
  mistral(keys, config);
  config.mlp.experts = keys.integer("num_local_experts");
  config.mlp.experts_per_token = keys.integer("num_experts_per_tok");
}

void qwen2(Keys& keys, ModelConfig& config) {
  config.attention.qkv_bias = true;
  if (!keys.flag_or("use_sliding_window", false)) return;
  const std::int64_t first = keys.has("layer_types") ? 0 : keys.integer("max_window_layers");
  config.attention.sliding_window =
      window(keys, config.layers, [&](std::int64_t layer) { return layer >= first; });
}

void qwen3(Keys& keys, ModelConfig& config) {
  qwen2(keys, config);
  config.attention.qkv_bias = config.attention.output_bias = keys.flag_or("attention_bias", false);
  config.attention.qk_norm = true;
}

void qwen3_moe(Keys& keys, ModelConfig& config) {
  qwen3(keys, config);
  if (keys.integer_or("decoder_sparse_step", 1) != 1 ||
      (keys.has("mlp_only_layers") && !keys["mlp_only_layers"].empty())) {
    keys.fail("mlp_only_layers",
              "or decoder_sparse_step makes some layers dense, which is not supported");
  }
  config.mlp.intermediate = keys.integer("moe_intermediate_size");
  config.mlp.experts = keys.integer(keys.has("num_experts") ? "num_experts" : "num_local_experts");
  config.mlp.experts_per_token = keys.integer("num_experts_per_tok");
  config.mlp.renormalise_experts = keys.flag_or("norm_topk_prob", false);
}

void glm(Keys& keys, ModelConfig& config) {
  config.attention.qkv_bias = keys.flag_or("attention_bias", true);
  config.rope.interleaved = true;
}

void glm4(Keys& keys, ModelConfig& config) {
  glm(keys, config);
  config.post_norms = true;
}

constexpr double kAsGoodAsInfinity = 1e300;

// An infinite limit is written as {"__float__": "Infinity"}, and of old as a bare word, which
// read_json() has made a large number.
void set_time_step_limit(Keys& keys, MambaConfig& mamba) {
  if (!keys.has("time_step_limit")) return;
  const Json& limits = keys["time_step_limit"];
  const auto number = [](const Json& value) -> std::optional<double> {
    const bool infinite = value.is_object() && value.contains("__float__")
                              ? value["__float__"] == "Infinity"
                              : value.is_number() && value >= kAsGoodAsInfinity;
    if (infinite) return std::numeric_limits<double>::infinity();
    return value.is_number() ? std::optional(value.get<double>()) : std::nullopt;
  };
  const bool two = limits.is_array() && limits.size() == 2;
  if (!two || !number(limits[0]) || !number(limits[1])) {
    keys.fail("time_step_limit", "must be a list of two numbers, found " + limits.dump());
    return;
  }
  mamba.time_step_min = *number(limits[0]);
  mamba.time_step_max = *number(limits[1]);
}

// Mamba and Mamba-2 as networks of their own: every layer is recurrent, and nothing else is in it.
void set_recurrent(Keys& keys, std::int64_t version, ModelConfig& config) {
  config.max_positions = kMostTokens;  // a recurrence has no longest text
  config.norm_epsilon = keys.number("layer_norm_epsilon");
  config.mixers.assign(static_cast<std::size_t>(config.layers), Mixer::kMamba);
  MambaConfig& mamba = config.mamba;
  mamba.version = version;
  mamba.state = keys.integer("state_size");
  mamba.conv_kernel = keys.integer("conv_kernel");
  mamba.conv_bias = keys.flag_or("use_conv_bias", true);
  mamba.bias = keys.flag_or("use_bias", false);
}

void mamba(Keys& keys, ModelConfig& config) {
  set_recurrent(keys, 1, config);
  config.tied_embeddings = keys.flag_or("tie_word_embeddings", true);
  config.mamba.inner =
      keys.integer_or("intermediate_size", keys.integer_or("expand", 2) * config.hidden);
  config.mamba.time_step_rank =
      keys.integer_unless_auto("time_step_rank", (config.hidden + 15) / 16);
}

// The gated norm goes over each group of heads by itself, as the original library has it, and
// transformers since 5 (its pull request 40861): before, it went over all channels at once.
void mamba2(Keys& keys, ModelConfig& config) {
  set_recurrent(keys, 2, config);
  MambaConfig& mamba = config.mamba;
  mamba.heads = keys.integer("num_heads");
  mamba.head_dim = keys.integer("head_dim");
  mamba.groups = keys.integer("n_groups");
  mamba.inner = keys.integer_or("expand", 2) * config.hidden;
  set_time_step_limit(keys, mamba);
  if (!keys.flag_or("rms_norm", true)) {
    keys.fail("rms_norm", "must be true; a scan without its gated norm is not supported");
  }
}

// Recurrent layers beside attention, each followed by a feed-forward part.
void set_hybrid(Keys& keys, std::int64_t version, ModelConfig& config) {
  MambaConfig& mamba = config.mamba;
  mamba.version = version;
  mamba.state = keys.integer("mamba_d_state");
  mamba.conv_kernel = keys.integer("mamba_d_conv");
  mamba.inner = keys.integer("mamba_expand") * config.hidden;
  mamba.conv_bias = keys.flag_or("mamba_conv_bias", true);
  mamba.bias = keys.flag_or("mamba_proj_bias", false);
}

void jamba(Keys& keys, ModelConfig& config) {
  set_hybrid(keys, 1, config);
  config.mamba.inner_norms = true;
  config.mamba.time_step_rank =
      keys.integer_unless_auto("mamba_dt_rank", (config.hidden + 15) / 16);
  const std::int64_t period = std::max<std::int64_t>(1, keys.integer("attn_layer_period"));
  const std::int64_t offset = keys.integer("attn_layer_offset");
  for (std::int64_t i = 0; i < config.layers; ++i) {
    config.mixers.push_back(i % period == offset ? Mixer::kAttention : Mixer::kMamba);
  }
  MlpConfig& mlp = config.mlp;
  const std::int64_t experts = keys.integer("num_experts");
  if (experts < 2) return;  // one is a plain mlp
  mlp.experts = experts;
  mlp.experts_per_token = keys.integer("num_experts_per_tok");
  mlp.renormalise_experts = false;
  mlp.expert_period = keys.integer("expert_layer_period");
  mlp.expert_offset = keys.integer("expert_layer_offset");
}

void bamba(Keys& keys, ModelConfig& config) {
  set_hybrid(keys, 2, config);
  llama(keys, config);
  MambaConfig& mamba = config.mamba;
  mamba.heads = keys.integer("mamba_n_heads");
  mamba.head_dim = keys.integer_unless_auto("mamba_d_head",
                                            mamba.inner / std::max<std::int64_t>(mamba.heads, 1));
  mamba.groups = keys.integer("mamba_n_groups");
  set_time_step_limit(keys, mamba);
  config.mixers.assign(static_cast<std::size_t>(config.layers), Mixer::kMamba);
  if (!keys.has("attn_layer_indices")) return;
  for (const Json& index : keys["attn_layer_indices"]) {
    if (!index.is_number_integer() || index < 0 || index >= config.layers) {
      keys.fail("attn_layer_indices", "must be numbers of layers, from 0 to " +
                                          std::to_string(config.layers - 1) + ", found " +
                                          keys["attn_layer_indices"].dump());
      return;
    }
    config.mixers[index.get<std::size_t>()] = Mixer::kAttention;
  }
}

struct Family {
  std::string model_type;
  void (*set)(Keys&, ModelConfig&);
  double rotary_base = 10000;  // where the file is silent, as is rotated_part
  double rotated_part = 1;     // 0: there is no rotary embedding
  bool attends = true;         // some layer does
};

const std::vector<Family>& families() {
  static const std::vector<Family> table = {{"bamba", bamba, 10000, 0.5},
                                            {"glm", glm, 10000, 0.5},
                                            {"glm4", glm4, 10000, 0.5},
                                            {"jamba", jamba, 10000, 0},
                                            {"llama", llama},
                                            {"mamba", mamba, 10000, 0, false},
                                            {"mamba2", mamba2, 10000, 0, false},
                                            {"mistral", mistral},
                                            {"mixtral", mixtral, 1e6},
                                            {"qwen2", qwen2},
                                            {"qwen3", qwen3},
                                            {"qwen3_moe", qwen3_moe}};
  return table;
}

void set_scaling(Keys& rope_keys, RopeConfig& rope, std::int64_t max_positions) {
  const std::string type = rope_keys.text_or("rope_type", rope_keys.text_or("type", "default"));
  if (type == "default") return;
  static const std::vector<std::string> known = {"default", "linear", "llama3", "yarn"};
  if (std::ranges::find(known, type) == known.end()) {
    rope_keys.fail("rope_type", "is not supported: " + unknown_name("scaling", type, known));
    return;
  }
  rope.factor = rope_keys.number("factor");
  rope.scaling =
      type == "linear" ? Scaling::kLinear : (type == "yarn" ? Scaling::kYarn : Scaling::kLlama3);
  if (type == "linear") return;
  rope.original_max_positions =
      rope_keys.number_or("original_max_position_embeddings", static_cast<double>(max_positions));
  if (type == "llama3") {
    rope.low_freq_factor = rope_keys.number("low_freq_factor");
    rope.high_freq_factor = rope_keys.number("high_freq_factor");
    return;
  }
  rope.beta_fast = rope_keys.number_or("beta_fast", 32);
  rope.beta_slow = rope_keys.number_or("beta_slow", 1);
  if (!rope_keys.flag_or("truncate", true)) {
    rope_keys.fail("truncate", "must be true; yarn without it is not supported");
  }
  if (rope_keys.has("attention_factor")) {
    rope.attention_factor = rope_keys.number("attention_factor");
  } else if (rope_keys.number_or("mscale", 0) != 0 &&
             rope_keys.number_or("mscale_all_dim", 0) != 0) {
    const auto grown = [&](const char* key) {
      return rope.factor <= 1 ? 1 : 0.1 * rope_keys.number(key) * std::log(rope.factor) + 1;
    };
    rope.attention_factor = grown("mscale") / grown("mscale_all_dim");
  }
}

// transformers 5 has all in rope_parameters; 4 had the base and the part beside rope_scaling.
void set_rope(Keys& keys, const Family& family, ModelConfig& config) {
  const char* name = keys.has("rope_parameters") ? "rope_parameters" : "rope_scaling";
  const Json object = keys.has(name) ? keys[name] : Json::object();
  if (!object.is_object()) return keys.fail(name, "must be an object");
  Keys rope_keys(object, keys.path(), std::string(name) + ".");
  config.rope.theta =
      rope_keys.number_or("rope_theta", keys.number_or("rope_theta", family.rotary_base));
  const double part = rope_keys.number_or(
      "partial_rotary_factor", keys.number_or("partial_rotary_factor", family.rotated_part));
  if (!(part > 0 && part <= 1))
    return keys.fail("partial_rotary_factor", "must be above 0, up to 1");
  config.rope.rotary_dim =
      static_cast<std::int64_t>(static_cast<double>(config.attention.head_dim) * part);
  set_scaling(rope_keys, config.rope, config.max_positions);
  keys.adopt(rope_keys.error());
}

// A token's id or a list of them.
std::vector<std::int32_t> token_ids(Keys& keys, const std::string& key) {
  std::vector<std::int32_t> ids;
  if (!keys.has(key)) return ids;
  const Json& value = keys[key];
  for (const Json& id : value.is_array() ? value : Json::array({value})) {
    if (!id.is_number_integer() || id < 0 || id > kMostTokens) {
      keys.fail(key, "must be a token's number or a list of them, found " + value.dump());
      return {};
    }
    ids.push_back(id.get<std::int32_t>());
  }
  return ids;
}

// Python writes infinity as a word that JSON does not have: here a number that is as good.
std::string with_large_numbers(const std::string& text) {
  constexpr std::string_view kWord = "Infinity";
  std::string out;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '"' && (i == 0 || text[i - 1] != '\\')) quoted = !quoted;
    if (!quoted && text.compare(i, kWord.size(), kWord) == 0) {
      out += "1e300";
      i += kWord.size() - 1;
    } else {
      out += text[i];
    }
  }
  return out;
}

Expected<Json> read_json(const std::string& path) {
  const Expected<std::string> text = read_file(path);
  if (!text) return text.error();
  Json json = Json::parse(with_large_numbers(*text), nullptr, false);
  if (!json.is_object()) return Error{path + ": expected a JSON object"};
  return json;
}

// generation_config.json, where there is one, knows best what ends an answer.
Expected<void> set_tokens(const std::string& folder, Keys& keys, ModelConfig& config) {
  config.end_tokens = token_ids(keys, "eos_token_id");
  const std::vector<std::int32_t> begin = token_ids(keys, "bos_token_id");
  if (!begin.empty()) config.begin_token = begin.front();
  const std::string path = folder + "/generation_config.json";
  if (!std::filesystem::exists(path)) return {};
  const Expected<Json> json = read_json(path);
  if (!json) return json.error();
  Keys generation(*json, path);
  const std::vector<std::int32_t> ends = token_ids(generation, "eos_token_id");
  if (generation.error()) return *generation.error();
  if (!ends.empty()) config.end_tokens = ends;
  return {};
}

void set_common(Keys& keys, ModelConfig& config) {
  config.hidden = keys.integer("hidden_size");
  config.layers = keys.integer("num_hidden_layers");
  if (config.layers > kMostLayers) {
    keys.fail("num_hidden_layers", "must be up to " + std::to_string(kMostLayers));
  }
  config.vocabulary = keys.integer("vocab_size");
  config.tied_embeddings = keys.flag_or("tie_word_embeddings", false);
  if (keys.text_or("hidden_act", "silu") != "silu") {
    keys.fail("hidden_act", "must be \"silu\", found " + keys["hidden_act"].dump());
  }
  if (keys.has("quantization_config")) {
    keys.fail("quantization_config",
              "says that the weights are quantised; expected F32, F16 or BF16, or a GGUF file");
  }
}

void set_attention(Keys& keys, ModelConfig& config) {
  config.max_positions = keys.integer("max_position_embeddings");
  config.norm_epsilon = keys.number("rms_norm_eps");
  AttentionConfig& attention = config.attention;
  attention.query_heads = keys.integer("num_attention_heads");
  attention.kv_heads = keys.integer_or("num_key_value_heads", attention.query_heads);
  attention.head_dim =
      keys.integer_or("head_dim", config.hidden / std::max<std::int64_t>(attention.query_heads, 1));
  config.mlp.intermediate = keys.integer("intermediate_size");
}

}  // namespace

Expected<ModelConfig> config_of_folder(const std::string& folder) {
  const std::string path = folder + "/config.json";
  const Expected<Json> json = read_json(path);
  if (!json) return json.error();
  Keys keys(*json, path);
  const std::string type = keys.text_or("model_type", "");
  if (type.empty()) return Error{path + ": model_type is missing"};
  const auto family = std::ranges::find(families(), type, &Family::model_type);
  if (family == families().end()) {
    std::vector<std::string> names;
    for (const Family& known : families()) names.push_back(known.model_type);
    return Error{path + ": " + unknown_name("model_type", type, names)};
  }
  ModelConfig config;
  config.family = type;
  config.name = std::filesystem::weakly_canonical(folder).filename().string();
  set_common(keys, config);
  if (family->attends) set_attention(keys, config);
  if (keys.error()) return *keys.error();
  family->set(keys, config);
  if (family->rotated_part > 0) set_rope(keys, *family, config);
  const Expected<void> tokens = set_tokens(folder, keys, config);
  if (keys.error()) return *keys.error();
  if (!tokens) return tokens.error();
  const Expected<void> checked = check_config(config, path);
  if (!checked) return checked.error();
  return config;
}

}  // namespace scsim::exec
