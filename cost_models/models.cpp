// Models by their published shapes: the numbers of each model's Hugging Face config.json.
// tests/cost_models/hugging_face_config_test.cpp holds them against what the parser of such files
// makes of the same numbers.
#include <algorithm>

#include "cost_models/shapes.h"
#include "traces/text.h"

namespace scsim::cost_models {
namespace {

using Mixer = LayerClass::Mixer;

// Grouped-query attention and a gated mlp.
LayerClass transformer(std::int64_t count, std::int64_t query_heads, std::int64_t kv_heads,
                       std::int64_t head_dim, std::int64_t intermediate) {
  return {.mixer = Mixer::kAttention,
          .count = count,
          .query_heads = query_heads,
          .kv_heads = kv_heads,
          .head_dim = head_dim,
          .intermediate = intermediate};
}

LayerClass with_experts(LayerClass layer, std::int64_t intermediate, std::int64_t experts,
                        std::int64_t experts_per_token, std::int64_t shared_intermediate = 0) {
  layer.intermediate = intermediate;
  layer.experts = experts;
  layer.experts_per_token = experts_per_token;
  layer.shared_intermediate = shared_intermediate;
  return layer;
}

LayerClass with_window(LayerClass layer, std::int64_t window) {
  layer.mixer = Mixer::kSlidingWindow;
  layer.window = window;
  return layer;
}

LayerClass with_count(LayerClass layer, std::int64_t count) {
  layer.count = count;
  return layer;
}

ModelShape llama_8b() {
  return {.name = "llama-3.1-8b",
          .source = "config.json of meta-llama/Llama-3.1-8B",
          .hidden = 4096,
          .vocabulary = 128256,
          .max_context = 131072,
          .layers = {transformer(32, 32, 8, 128, 14336)}};
}

ModelShape llama_70b() {
  return {.name = "llama-3.1-70b",
          .source = "config.json of meta-llama/Llama-3.1-70B",
          .hidden = 8192,
          .vocabulary = 128256,
          .max_context = 131072,
          .layers = {transformer(80, 64, 8, 128, 28672)}};
}

ModelShape qwen_7b() {
  return {.name = "qwen2.5-7b",
          .source = "config.json of Qwen/Qwen2.5-7B-Instruct",
          .hidden = 3584,
          .vocabulary = 152064,
          .max_context = 32768,
          .layers = {transformer(28, 28, 4, 128, 18944)}};
}

ModelShape qwen_32b() {
  return {.name = "qwen2.5-32b",
          .source = "config.json of Qwen/Qwen2.5-32B-Instruct",
          .hidden = 5120,
          .vocabulary = 152064,
          .max_context = 32768,
          .layers = {transformer(64, 40, 8, 128, 27648)}};
}

ModelShape qwen_72b() {
  return {.name = "qwen2.5-72b",
          .source = "config.json of Qwen/Qwen2.5-72B-Instruct",
          .hidden = 8192,
          .vocabulary = 152064,
          .max_context = 32768,
          .layers = {transformer(80, 64, 8, 128, 29568)}};
}

ModelShape glm_9b() {
  return {.name = "glm-4-9b-1m",
          .source = "config.json of THUDM/glm-4-9b-chat-1m",
          .hidden = 4096,
          .vocabulary = 151552,
          .max_context = 1048576,
          .layers = {transformer(40, 32, 4, 128, 13696)}};
}

ModelShape mixtral() {
  return {.name = "mixtral-8x7b",
          .source = "config.json of mistralai/Mixtral-8x7B-Instruct-v0.1",
          .hidden = 4096,
          .vocabulary = 32000,
          .max_context = 32768,
          .layers = {with_experts(transformer(32, 32, 8, 128, 0), 14336, 8, 2)}};
}

ModelShape deepseek_v3() {
  const LayerClass latent = {.mixer = Mixer::kLatentAttention,
                             .query_heads = 128,
                             .kv_heads = 128,
                             .head_dim = 128 + 64,
                             .value_head_dim = 128,
                             .latent_dim = 512 + 64,
                             .rope_dim = 64,
                             .query_rank = 1536,
                             .intermediate = 18432};
  return {
      .name = "deepseek-v3",
      .source =
          "config.json of deepseek-ai/DeepSeek-V3 (without its multi-token prediction "
          "layer)",
      .hidden = 7168,
      .vocabulary = 129280,
      .max_context = 163840,
      .layers = {with_count(latent, 3), with_experts(with_count(latent, 58), 2048, 256, 8, 2048)},
      .default_weight_dtype = "fp8"};
}

ModelShape gpt_oss(const std::string& size, std::int64_t layers, std::int64_t experts) {
  const LayerClass full = with_experts(transformer(layers / 2, 64, 8, 64, 0), 2880, experts, 4);
  return {.name = "gpt-oss-" + size,
          .source = "config.json of openai/gpt-oss-" + size,
          .hidden = 2880,
          .vocabulary = 201088,
          .max_context = 131072,
          .layers = {with_window(full, 128), full},
          .default_weight_dtype = "mxfp4",
          .only_experts_quantised = true};
}

ModelShape mamba_7b() {
  return {.name = "mamba2-7b",
          .source =
              "config.json of mistralai/Mamba-Codestral-7B-v0.1; longest context as its model "
              "card tested it",
          .hidden = 4096,
          .vocabulary = 32768,
          .max_context = 262144,
          .layers = {{.mixer = Mixer::kMamba2,
                      .count = 64,
                      .inner_dim = 8192,
                      .state_dim = 128,
                      .conv_kernel = 4,
                      .state_heads = 128,
                      .state_groups = 8,
                      .chunk = 256}}};
}

ModelShape jamba_mini() {
  const LayerClass mamba = {.mixer = Mixer::kMamba1,
                            .inner_dim = 8192,
                            .state_dim = 16,
                            .conv_kernel = 4,
                            .dt_rank = 256,
                            .intermediate = 14336};
  return {.name = "jamba-1.5-mini",
          .source = "config.json of ai21labs/AI21-Jamba-1.5-Mini",
          .hidden = 4096,
          .vocabulary = 65536,
          .max_context = 262144,
          .layers = {with_count(mamba, 12), with_experts(with_count(mamba, 16), 14336, 16, 2),
                     transformer(4, 32, 8, 128, 14336)}};
}

ModelShape smollm() {
  return {.name = "smollm2-135m",
          .source = "config.json of HuggingFaceTB/SmolLM2-135M-Instruct",
          .hidden = 576,
          .vocabulary = 49152,
          .max_context = 8192,
          .tied_embeddings = true,
          .layers = {transformer(30, 9, 3, 64, 1536)}};
}

}  // namespace

const std::vector<ModelShape>& model_table() {
  static const std::vector<ModelShape> table = {llama_8b(),
                                                llama_70b(),
                                                qwen_7b(),
                                                qwen_32b(),
                                                qwen_72b(),
                                                glm_9b(),
                                                mixtral(),
                                                deepseek_v3(),
                                                gpt_oss("20b", 24, 32),
                                                gpt_oss("120b", 36, 128),
                                                mamba_7b(),
                                                jamba_mini(),
                                                smollm()};
  return table;
}

Expected<ModelShape> find_model(const std::string& name) {
  if (name.ends_with(".json")) return model_from_config(name);
  std::vector<std::string> names;
  for (const ModelShape& model : model_table()) {
    if (model.name == name) return model;
    names.push_back(model.name);
  }
  return Error{unknown_name("model", name, names) + "; or the path of a config.json"};
}

std::string describe(const ModelShape& model) {
  const auto billions = [](double count) {
    return count < 1e9 ? format_fixed(count / 1e6, 0) + " M" : format_fixed(count / 1e9, 1) + " B";
  };
  std::string line = model.name;
  line.resize(std::max<std::size_t>(line.size(), 16), ' ');
  line += billions(model.parameters()) + " parameters";
  if (std::ranges::any_of(model.layers, [](const LayerClass& l) { return l.experts > 0; })) {
    line += " (" + billions(model.active_parameters()) + " active)";
  }
  line += ", " + std::to_string(model.num_layers()) + " layers, context " +
          format_integer(model.max_context);
  if (const double bytes = model.cache_per_token(16).value(); bytes > 0) {
    line += ", " + format_integer(static_cast<std::int64_t>(bytes)) + " B of KV per token";
  }
  if (const double bytes = model.state_per_sequence(16).value(); bytes > 0) {
    line += ", " + format_bytes(bytes) + " of state per sequence";
  }
  return line + "; " + model.source;
}

}  // namespace scsim::cost_models
