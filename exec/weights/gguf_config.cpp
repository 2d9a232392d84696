// The table of architectures says what the metadata leaves unsaid of each. Whatever is a number is
// read through Metadata, which keeps the first mistake.
#include "exec/weights/gguf_config.h"

#include <algorithm>
#include <filesystem>

#include "exec/weights/config_checks.h"
#include "traces/text.h"

namespace scsim::exec {
namespace {

struct Architecture {
  std::string name, family;
  bool moved_rows = false;   // see has_moved_rows()
  bool interleaved = false;  // rotates pairs (2i, 2i+1) in Hugging Face's form, too
  bool post_norms = false;
};

const std::vector<Architecture>& architectures() {
  static const std::vector<Architecture> table = {
      {"chatglm", "glm", false, true, false},        {"glm4", "glm4", false, true, true},
      {"llama", "llama", true, false, false},  // Mistral and Mixtral, too
      {"qwen2", "qwen2", false, false, false},       {"qwen3", "qwen3", false, false, false},
      {"qwen3moe", "qwen3_moe", false, false, false}};
  return table;
}

Expected<Architecture> architecture_of(const GgufFile& file) {
  const std::string name(file.text("general.architecture").value_or(""));
  if (name.empty()) return Error{file.path() + ": metadata general.architecture is missing"};
  std::vector<std::string> names;
  for (const Architecture& known : architectures()) {
    if (known.name == name) return known;
    names.push_back(known.name);
  }
  return Error{file.path() + ": " + unknown_name("general.architecture", name, names)};
}

class Metadata {
 public:
  Metadata(const GgufFile& file, std::string prefix) : file_(file), prefix_(std::move(prefix)) {}

  // A key may have one value for all layers or a list with one for each, here all the same.
  std::optional<std::int64_t> integer(const std::string& key) {
    const std::string name = prefix_ + key;
    if (!file_.has(name)) return std::nullopt;
    const auto& list = file_.integers(name);
    if (!list.empty()) {
      if (std::ranges::count(list, list.front()) != std::ssize(list)) {
        fail(key, "differs from layer to layer, which is not supported");
      }
      return list.front();
    }
    const std::optional<std::int64_t> value = file_.integer(name);
    if (!value) fail(key, "must be a whole number");
    return value;
  }
  std::int64_t required(const std::string& key) {
    const std::optional<std::int64_t> value = integer(key);
    if (!value) fail(key, "is missing");
    return value.value_or(1);
  }
  std::optional<double> number(const std::string& key) {
    const std::string name = prefix_ + key;
    const std::optional<double> value = file_.number(name);
    if (!value && file_.has(name)) fail(key, "must be a number");
    return value;
  }
  std::string text(const std::string& key) {
    return std::string(file_.text(prefix_ + key).value_or(""));
  }
  void fail(const std::string& key, const std::string& what) {
    if (!error_) error_ = Error{file_.path() + ": metadata " + prefix_ + key + " " + what};
  }
  const std::optional<Error>& error() const { return error_; }

 private:
  const GgufFile& file_;
  std::string prefix_;
  std::optional<Error> error_;
};

const StoredTensor* find_tensor(const GgufFile& file, std::string_view name) {
  const auto found = std::ranges::find(file.tensors(), name, &StoredTensor::name);
  return found == file.tensors().end() ? nullptr : &*found;
}

void read_rope(Metadata& metadata, const GgufFile& file, RopeConfig& rope) {
  rope.theta = metadata.number("rope.freq_base").value_or(10000);
  const std::string scaling = metadata.text("rope.scaling.type");
  if (scaling == "linear" || scaling == "yarn") {
    const bool yarn = scaling == "yarn";
    rope.scaling = yarn ? RopeConfig::Scaling::kYarn : RopeConfig::Scaling::kLinear;
    rope.factor = metadata.number("rope.scaling.factor").value_or(1);
    rope.original_max_positions = metadata.number("rope.scaling.original_context_length")
                                      .value_or(metadata.number("context_length").value_or(0));
    for (const char* key : {"rope.scaling.attn_factor", "rope.scaling.yarn_attn_factor"}) {
      if (metadata.number(key).value_or(1) != 1)
        metadata.fail(key, "other than 1 is not supported");
    }
    rope.beta_fast = metadata.number("rope.scaling.yarn_beta_fast").value_or(32);
    rope.beta_slow = metadata.number("rope.scaling.yarn_beta_slow").value_or(1);
  } else if (!scaling.empty() && scaling != "none") {
    metadata.fail("rope.scaling.type",
                  json_quote(scaling) + " is not supported; known: linear, none, yarn");
  }
  if (const StoredTensor* divisors = find_tensor(file, "rope_freqs.weight")) {
    const std::int64_t count = count_elements(divisors->shape).value_or(0);
    if (count == rope.rotary_dim / 2) {
      rope.divisors.resize(static_cast<std::size_t>(count));
      to_floats(divisors->type, divisors->bytes, rope.divisors);
    } else {
      metadata.fail("rope.dimension_count", "is twice " + std::to_string(rope.rotary_dim / 2) +
                                                ", but rope_freqs.weight has " +
                                                std::to_string(count) + " numbers");
    }
  }
}

void read_tokens(const GgufFile& file, ModelConfig& config) {
  constexpr std::int64_t kMostId = kMostTokens;
  for (const char* key : {"eos", "eot", "eom"}) {
    const auto id = file.integer(std::string("tokenizer.ggml.") + key + "_token_id");
    if (!id || *id < 0 || *id > kMostId) continue;
    const auto token = static_cast<std::int32_t>(*id);
    if (std::ranges::find(config.end_tokens, token) == config.end_tokens.end()) {
      config.end_tokens.push_back(token);
    }
  }
  const auto begin = file.integer("tokenizer.ggml.bos_token_id");
  if (begin && *begin >= 0 && *begin <= kMostId) {
    config.begin_token = static_cast<std::int32_t>(*begin);
  }
}

}  // namespace

bool has_moved_rows(const GgufFile& file) {
  const Expected<Architecture> architecture = architecture_of(file);
  return architecture && architecture->moved_rows;
}

Expected<ModelConfig> config_of(const GgufFile& file) {
  const Expected<Architecture> architecture = architecture_of(file);
  if (!architecture) return architecture.error();
  if (file.integer("split.count").value_or(1) > 1) {
    return Error{file.path() + ": this is one part of a model split over " +
                 std::to_string(*file.integer("split.count")) +
                 " files; expected them merged (llama-gguf-split --merge)"};
  }
  Metadata metadata(file, architecture->name + ".");
  const auto has = [&](const char* name) { return find_tensor(file, name) != nullptr; };
  ModelConfig config;
  config.family = architecture->family;
  config.name = std::string(file.text("general.name").value_or(""));
  if (config.name.empty()) config.name = std::filesystem::path(file.path()).stem().string();
  config.hidden = metadata.required("embedding_length");
  config.layers = metadata.required("block_count");
  config.max_positions = metadata.required("context_length");
  config.norm_epsilon = metadata.number("attention.layer_norm_rms_epsilon").value_or(1e-5);
  config.tied_embeddings = !has("output.weight");
  config.post_norms = architecture->post_norms;
  if (const StoredTensor* embedding = find_tensor(file, "token_embd.weight")) {
    if (!embedding->shape.empty()) config.vocabulary = embedding->shape.front();
  }

  AttentionConfig& attention = config.attention;
  attention.query_heads = metadata.required("attention.head_count");
  attention.kv_heads = metadata.integer("attention.head_count_kv").value_or(attention.query_heads);
  attention.head_dim =
      metadata.integer("attention.key_length")
          .value_or(config.hidden / std::max<std::int64_t>(attention.query_heads, 1));
  if (metadata.integer("attention.value_length").value_or(attention.head_dim) !=
      attention.head_dim) {
    metadata.fail("attention.value_length", "differs from attention.key_length");
  }
  attention.qkv_bias = has("blk.0.attn_q.bias") || has("blk.0.attn_qkv.bias");
  attention.output_bias = has("blk.0.attn_output.bias");
  attention.qk_norm = has("blk.0.attn_q_norm.weight");
  attention.sliding_window = metadata.integer("attention.sliding_window").value_or(0);

  MlpConfig& mlp = config.mlp;
  mlp.experts = metadata.integer("expert_count").value_or(0);
  mlp.experts_per_token = metadata.integer("expert_used_count").value_or(0);
  mlp.renormalise_experts = file.flag(architecture->name + ".expert_weights_norm").value_or(true);
  mlp.bias = has("blk.0.ffn_gate.bias");
  const std::optional<std::int64_t> of_expert = metadata.integer("expert_feed_forward_length");
  mlp.intermediate =
      mlp.experts > 0 && of_expert ? *of_expert : metadata.required("feed_forward_length");
  if (mlp.experts > 0 && config.family == "llama") config.family = "mixtral";

  config.rope.rotary_dim = metadata.integer("rope.dimension_count").value_or(attention.head_dim);
  config.rope.interleaved = architecture->interleaved;
  read_rope(metadata, file, config.rope);
  read_tokens(file, config);
  if (metadata.error()) return *metadata.error();
  const Expected<void> checked = check_config(config, file.path());
  if (!checked) return checked.error();
  return config;
}

}  // namespace scsim::exec
