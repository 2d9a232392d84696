#include <catch2/catch.hpp>
#include <filesystem>
#include <map>
#include <set>

#include "cost_models/shapes.h"
#include "traces/files.h"

namespace scsim::cost_models {
namespace {

// The keys of published config.json files that decide a shape.
const std::map<std::string, std::string>& built_in_configs() {
  static const std::map<std::string, std::string> configs = {
      {"llama-3.1-8b", R"({"model_type": "llama", "hidden_size": 4096, "intermediate_size": 14336,
        "num_attention_heads": 32, "num_key_value_heads": 8, "num_hidden_layers": 32,
        "vocab_size": 128256, "max_position_embeddings": 131072, "tie_word_embeddings": false,
        "torch_dtype": "bfloat16"})"},
      {"llama-3.1-70b", R"({"model_type": "llama", "hidden_size": 8192, "intermediate_size": 28672,
        "num_attention_heads": 64, "num_key_value_heads": 8, "num_hidden_layers": 80,
        "vocab_size": 128256, "max_position_embeddings": 131072, "tie_word_embeddings": false})"},
      {"qwen2.5-7b", R"({"model_type": "qwen2", "hidden_size": 3584, "intermediate_size": 18944,
        "num_attention_heads": 28, "num_key_value_heads": 4, "num_hidden_layers": 28,
        "vocab_size": 152064, "max_position_embeddings": 32768, "max_window_layers": 28,
        "sliding_window": 131072, "use_sliding_window": false, "tie_word_embeddings": false})"},
      {"qwen2.5-32b", R"({"model_type": "qwen2", "hidden_size": 5120, "intermediate_size": 27648,
        "num_attention_heads": 40, "num_key_value_heads": 8, "num_hidden_layers": 64,
        "vocab_size": 152064, "max_position_embeddings": 32768, "use_sliding_window": false})"},
      {"qwen2.5-72b", R"({"model_type": "qwen2", "hidden_size": 8192, "intermediate_size": 29568,
        "num_attention_heads": 64, "num_key_value_heads": 8, "num_hidden_layers": 80,
        "vocab_size": 152064, "max_position_embeddings": 32768})"},
      {"glm-4-9b-1m", R"({"model_type": "chatglm", "hidden_size": 4096, "ffn_hidden_size": 13696,
        "num_attention_heads": 32, "multi_query_attention": true, "multi_query_group_num": 4,
        "kv_channels": 128, "num_layers": 40, "padded_vocab_size": 151552, "seq_length": 1048576,
        "tie_word_embeddings": false})"},
      {"mixtral-8x7b", R"({"model_type": "mixtral", "hidden_size": 4096, "intermediate_size": 14336,
        "num_attention_heads": 32, "num_key_value_heads": 8, "num_hidden_layers": 32,
        "num_experts_per_tok": 2, "num_local_experts": 8, "sliding_window": null,
        "vocab_size": 32000, "max_position_embeddings": 32768})"},
      {"deepseek-v3", R"({"model_type": "deepseek_v3", "hidden_size": 7168,
        "intermediate_size": 18432, "moe_intermediate_size": 2048, "first_k_dense_replace": 3,
        "moe_layer_freq": 1, "n_routed_experts": 256, "n_shared_experts": 1,
        "num_experts_per_tok": 8, "num_attention_heads": 128, "num_key_value_heads": 128,
        "num_hidden_layers": 61, "q_lora_rank": 1536, "kv_lora_rank": 512, "qk_nope_head_dim": 128,
        "qk_rope_head_dim": 64, "v_head_dim": 128, "vocab_size": 129280,
        "max_position_embeddings": 163840, "tie_word_embeddings": false,
        "torch_dtype": "bfloat16", "quantization_config": {"quant_method": "fp8"}})"},
      {"gpt-oss-20b", R"({"model_type": "gpt_oss", "hidden_size": 2880, "intermediate_size": 2880,
        "head_dim": 64, "num_attention_heads": 64, "num_key_value_heads": 8,
        "num_hidden_layers": 24, "num_local_experts": 32, "num_experts_per_tok": 4,
        "sliding_window": 128, "vocab_size": 201088, "max_position_embeddings": 131072,
        "tie_word_embeddings": false, "quantization_config": {"quant_method": "mxfp4"},
        "layer_types": ["sliding_attention", "full_attention", "sliding_attention",
          "full_attention", "sliding_attention", "full_attention", "sliding_attention",
          "full_attention", "sliding_attention", "full_attention", "sliding_attention",
          "full_attention", "sliding_attention", "full_attention", "sliding_attention",
          "full_attention", "sliding_attention", "full_attention", "sliding_attention",
          "full_attention", "sliding_attention", "full_attention", "sliding_attention",
          "full_attention"]})"},
      // Without layer_types: its family alternates, sliding first.
      {"gpt-oss-120b", R"({"model_type": "gpt_oss", "hidden_size": 2880, "intermediate_size": 2880,
        "head_dim": 64, "num_attention_heads": 64, "num_key_value_heads": 8,
        "num_hidden_layers": 36, "num_local_experts": 128, "num_experts_per_tok": 4,
        "sliding_window": 128, "vocab_size": 201088, "max_position_embeddings": 131072,
        "quantization_config": {"quant_method": "mxfp4"}})"},
      // The file states no longest context; ours is what the model card tested.
      {"mamba2-7b", R"({"model_type": "mamba2", "hidden_size": 4096, "num_hidden_layers": 64,
        "state_size": 128, "n_groups": 8, "num_heads": 128, "head_dim": 64, "conv_kernel": 4,
        "expand": 2, "chunk_size": 256, "vocab_size": 32768, "tie_word_embeddings": false,
        "max_position_embeddings": 262144})"},
      {"jamba-1.5-mini", R"({"model_type": "jamba", "hidden_size": 4096, "intermediate_size": 14336,
        "num_attention_heads": 32, "num_key_value_heads": 8, "num_hidden_layers": 32,
        "attn_layer_period": 8, "attn_layer_offset": 4, "expert_layer_period": 2,
        "expert_layer_offset": 1, "num_experts": 16, "num_experts_per_tok": 2, "mamba_d_state": 16,
        "mamba_d_conv": 4, "mamba_expand": 2, "mamba_dt_rank": 256, "vocab_size": 65536,
        "max_position_embeddings": 262144, "tie_word_embeddings": false})"},
      {"smollm2-135m", R"({"model_type": "llama", "hidden_size": 576, "intermediate_size": 1536,
        "num_attention_heads": 9, "num_key_value_heads": 3, "num_hidden_layers": 30,
        "vocab_size": 49152, "max_position_embeddings": 8192, "tie_word_embeddings": true})"},
  };
  return configs;
}

std::string text_of(const LayerClass& layer) {
  std::string text;
  for (const std::int64_t number : {static_cast<std::int64_t>(layer.mixer),
                                    layer.count,
                                    layer.query_heads,
                                    layer.kv_heads,
                                    layer.head_dim,
                                    layer.value_dim(),
                                    layer.window,
                                    layer.latent_dim,
                                    layer.rope_dim,
                                    layer.query_rank,
                                    layer.inner_dim,
                                    layer.state_dim,
                                    layer.conv_kernel,
                                    layer.state_heads,
                                    layer.state_groups,
                                    layer.chunk,
                                    layer.dt_rank,
                                    layer.intermediate,
                                    layer.experts,
                                    layer.experts_per_token,
                                    layer.shared_intermediate}) {
    text += std::to_string(number) + " ";
  }
  return text;
}

ModelShape parse(const std::string& text, const std::string& path = "m/config.json") {
  return *model_from_config_text(text, path);
}

std::string error_of(const std::string& text, const std::string& path = "m/config.json") {
  const Expected<ModelShape> model = model_from_config_text(text, path);
  return model ? "no error" : model.error().message;
}

// llama-3.1-8b's text with something else in place of one piece of it.
std::string changed(const std::string& from, const std::string& to) {
  std::string text = built_in_configs().at("llama-3.1-8b");
  const std::size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

}  // namespace

TEST_CASE("the built-in shapes are what their config files say", "[cost_models][config]") {
  CHECK(built_in_configs().size() == model_table().size());
  for (const ModelShape& built_in : model_table()) {
    ModelShape parsed = parse(built_in_configs().at(built_in.name));
    parsed.name = built_in.name, parsed.source = built_in.source;
    INFO(built_in.name);
    CHECK(parsed.layers.size() == built_in.layers.size());
    std::multiset<std::string> parsed_layers, layers;  // classes have no order
    for (const LayerClass& layer : parsed.layers) parsed_layers.insert(text_of(layer));
    for (const LayerClass& layer : built_in.layers) layers.insert(text_of(layer));
    CHECK(parsed_layers == layers);
    parsed.layers = built_in.layers;
    CHECK(parsed == built_in);
  }
}

TEST_CASE("other families parse to their published sizes", "[cost_models][config]") {
  const ModelShape mistral = parse(R"({"model_type": "mistral", "hidden_size": 4096,
    "intermediate_size": 14336, "num_attention_heads": 32, "num_key_value_heads": 8,
    "num_hidden_layers": 32, "sliding_window": 4096, "vocab_size": 32000,
    "max_position_embeddings": 32768, "torch_dtype": "float16"})");
  CHECK(mistral.parameters() == 7'241'732'096.0);
  CHECK(mistral.cache_per_token(16).value() == 0);  // all layers slide
  CHECK(mistral.state_per_sequence(16).value() == 4096 * 131072.0);
  CHECK(mistral.default_weight_dtype == "fp16");

  const ModelShape qwen3 = parse(R"({"model_type": "qwen3", "hidden_size": 4096, "head_dim": 128,
    "intermediate_size": 12288, "num_attention_heads": 32, "num_key_value_heads": 8,
    "num_hidden_layers": 36, "vocab_size": 151936, "max_position_embeddings": 40960,
    "use_sliding_window": false, "sliding_window": null})");
  CHECK(qwen3.parameters() == Approx(8.19e9).epsilon(0.001));

  const ModelShape qwen3_moe = parse(R"({"model_type": "qwen3_moe", "hidden_size": 2048,
    "head_dim": 128, "intermediate_size": 6144, "moe_intermediate_size": 768,
    "decoder_sparse_step": 1, "mlp_only_layers": [], "num_experts": 128, "num_experts_per_tok": 8,
    "num_attention_heads": 32, "num_key_value_heads": 4, "num_hidden_layers": 48,
    "vocab_size": 151936, "max_position_embeddings": 40960})");
  CHECK(qwen3_moe.parameters() == Approx(30.53e9).epsilon(0.001));
  CHECK(qwen3_moe.active_parameters() + 2048.0 * 151936 == Approx(3.35e9).epsilon(0.01));

  const ModelShape qwen2_moe = parse(R"({"model_type": "qwen2_moe", "hidden_size": 2048,
    "intermediate_size": 5632, "moe_intermediate_size": 1408, "num_experts": 60,
    "num_experts_per_tok": 4, "shared_expert_intermediate_size": 5632, "decoder_sparse_step": 1,
    "num_attention_heads": 16, "num_key_value_heads": 16, "num_hidden_layers": 24,
    "vocab_size": 151936, "max_position_embeddings": 8192, "use_sliding_window": false})");
  CHECK(qwen2_moe.parameters() == Approx(14.3e9).epsilon(0.003));

  const ModelShape deepseek_v2_lite = parse(R"({"model_type": "deepseek_v2", "hidden_size": 2048,
    "intermediate_size": 10944, "moe_intermediate_size": 1408, "first_k_dense_replace": 1,
    "moe_layer_freq": 1, "n_routed_experts": 64, "n_shared_experts": 2, "num_experts_per_tok": 6,
    "num_attention_heads": 16, "num_key_value_heads": 16, "num_hidden_layers": 27,
    "q_lora_rank": null, "kv_lora_rank": 512, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64,
    "v_head_dim": 128, "vocab_size": 102400, "max_position_embeddings": 163840})");
  CHECK(deepseek_v2_lite.parameters() == Approx(15.7e9).epsilon(0.002));

  const ModelShape glm = parse(R"({"model_type": "glm4", "hidden_size": 4096, "head_dim": 128,
    "intermediate_size": 13696, "num_attention_heads": 32, "num_key_value_heads": 2,
    "num_hidden_layers": 40, "vocab_size": 151552, "max_position_embeddings": 32768})");
  CHECK(glm.parameters() == Approx(9.40e9).epsilon(0.001));

  const ModelShape gemma = parse(R"({"model_type": "gemma", "hidden_size": 3072, "head_dim": 256,
    "intermediate_size": 24576, "num_attention_heads": 16, "num_key_value_heads": 16,
    "num_hidden_layers": 28, "vocab_size": 256000, "max_position_embeddings": 8192})");
  CHECK(gemma.parameters() == Approx(8.54e9).epsilon(0.001));

  const ModelShape gemma2 = parse(R"({"model_type": "gemma2", "hidden_size": 3584, "head_dim": 256,
    "intermediate_size": 14336, "num_attention_heads": 16, "num_key_value_heads": 8,
    "num_hidden_layers": 42, "sliding_window": 4096, "vocab_size": 256000,
    "max_position_embeddings": 8192})");
  CHECK(gemma2.parameters() == Approx(9.24e9).epsilon(0.001));
  CHECK(gemma2.cache_per_token(16).value() == 21 * 8 * 512 * 2.0);  // every other layer is full

  // Images and text: the language model's keys are in an object of their own.
  const ModelShape gemma3 = parse(R"({"model_type": "gemma3", "torch_dtype": "bfloat16",
    "text_config": {"model_type": "gemma3_text", "hidden_size": 5376, "head_dim": 128,
    "intermediate_size": 21504, "num_attention_heads": 32, "num_key_value_heads": 16,
    "num_hidden_layers": 62, "sliding_window": 1024, "sliding_window_pattern": 6,
    "vocab_size": 262208, "max_position_embeddings": 131072}})");
  CHECK(gemma3.parameters() == Approx(27.0e9).epsilon(0.005));
  CHECK(gemma3.cache_per_token(16).value() == 10 * 16 * 256 * 2.0);  // one in six, of 62
  CHECK(gemma3.state_per_sequence(16).value() == 52 * 1024 * 16 * 256 * 2.0);
}

TEST_CASE("windows of qwen begin where the file says", "[cost_models][config]") {
  const ModelShape model = parse(R"({"model_type": "qwen2", "hidden_size": 896,
    "intermediate_size": 4864, "num_attention_heads": 14, "num_key_value_heads": 2,
    "num_hidden_layers": 24, "vocab_size": 151936, "max_position_embeddings": 32768,
    "use_sliding_window": true, "max_window_layers": 21, "sliding_window": 1000})");
  REQUIRE(model.layers.size() == 2);
  CHECK(model.layers[0].count == 21);
  CHECK(model.layers[0].window == 0);
  CHECK(model.layers[1].count == 3);
  CHECK(model.layers[1].window == 1000);
}

TEST_CASE("the checkpoint's precision is read", "[cost_models][config]") {
  const auto dtype = [](const std::string& quantization) {
    return parse(
               changed("\"torch_dtype\": \"bfloat16\"", "\"quantization_config\": " + quantization))
        .default_weight_dtype;
  };
  CHECK(dtype(R"({"quant_method": "awq", "bits": 4})") == "int4");
  CHECK(dtype(R"({"quant_method": "gptq", "bits": 8})") == "int8");
  CHECK(dtype(R"({"quant_method": "compressed-tensors", "config_groups": {"group_0":
      {"weights": {"num_bits": 8, "type": "float"}}}})") == "fp8");
  CHECK(error_of(changed("\"torch_dtype\": \"bfloat16\"",
                         R"("quantization_config": {"quant_method": "aqlm", "bits": 2})")) ==
        "m/config.json: quantization_config is not understood (quant_method \"aqlm\"); known: fp8, "
        "mxfp4, and awq, gptq and compressed-tensors of 4 or 8 bits");
}

TEST_CASE("mistakes in a config name the file and the key", "[cost_models][config]") {
  CHECK(error_of(changed("\"num_attention_heads\": 32,", "")) ==
        "m/config.json: num_attention_heads is missing");
  CHECK(error_of(changed("\"num_attention_heads\": 32", "\"num_attention_heads\": \"32\"")) ==
        "m/config.json: num_attention_heads must be a whole number from 0 to 1,000,000, found "
        "\"32\"");
  CHECK(error_of(changed("\"num_attention_heads\": 32", "\"num_attention_heads\": 0")) ==
        "m/config.json: num_attention_heads must not be 0");
  CHECK(error_of(changed("\"num_attention_heads\": 32", "\"num_attention_heads\": 31")) ==
        "m/config.json: hidden_size 4096 is no multiple of num_attention_heads 31");
  CHECK(error_of(changed("\"num_hidden_layers\": 32", "\"num_hidden_layers\": 90000000")) ==
        "m/config.json: num_hidden_layers must be a whole number from 0 to 10,000, found 90000000");
  CHECK(error_of(changed("\"tie_word_embeddings\": false", "\"tie_word_embeddings\": 1")) ==
        "m/config.json: tie_word_embeddings must be true or false, found 1");
  CHECK(error_of(changed("\"model_type\": \"llama\",", "")) ==
        "m/config.json: model_type is missing");
  CHECK(error_of(changed("\"num_key_value_heads\": 8", "\"num_key_value_heads\": 5")) ==
        "m/config.json: num_attention_heads 32 is no multiple of the 5 key and value heads");
  std::string mixtral = built_in_configs().at("mixtral-8x7b");
  mixtral.replace(mixtral.find("\"num_experts_per_tok\": 2"), 24, "\"num_experts_per_tok\": 9");
  CHECK(error_of(mixtral) == "m/config.json: num_experts_per_tok 9 is more than the 8 experts");
  CHECK(error_of("{\n\"a\": 1,\n oops\n}") == "m/config.json:3: not valid JSON");
  CHECK(error_of("[1, 2]") == "m/config.json: expected a JSON object");
  CHECK(error_of(R"({"model_type": "gemma3", "text_config": {"model_type": "gemma3_text"}})") ==
        "m/config.json: text_config.hidden_size is missing");
  const std::string layers = R"({"model_type": "gemma2", "hidden_size": 8, "head_dim": 4,
    "intermediate_size": 8, "num_attention_heads": 2, "num_hidden_layers": 2, "vocab_size": 9,
    "max_position_embeddings": 9, "sliding_window": 4, "layer_types": )";
  CHECK(error_of(layers + "[\"full_attention\"]}") ==
        "m/config.json: layer_types must be a list of 2 names, one for each layer");
  CHECK(error_of(layers + "[\"full_attention\", \"linear_attention\"]}") ==
        "m/config.json: layer_types[1] \"linear_attention\" is not supported; known: "
        "full_attention, sliding_attention");
}

TEST_CASE("an unknown architecture is refused with those known", "[cost_models][config]") {
  CHECK(error_of(changed("\"llama\"", "\"lama\"")) ==
        "m/config.json: unknown model_type \"lama\"; did you mean \"llama\"? known: chatglm, "
        "deepseek_v2, deepseek_v3, gemma, gemma2, gemma3_text, glm, glm4, gpt_oss, jamba, llama, "
        "mamba2, mistral, mixtral, qwen2, qwen2_moe, qwen3, qwen3_moe");
}

TEST_CASE("a model is found by the path of its config, and named for its folder",
          "[cost_models][config]") {
  const auto folder = std::filesystem::temp_directory_path() / "scsim_config_test" / "my-llama";
  std::filesystem::create_directories(folder);
  const std::string path = (folder / "config.json").string();
  REQUIRE(write_file(path, built_in_configs().at("llama-3.1-8b")));
  const ModelShape model = *find_model(path);
  CHECK(model.name == "my-llama");
  CHECK(model.source == path);
  CHECK(model.parameters() == find_model("llama-3.1-8b")->parameters());
  std::filesystem::remove_all(folder.parent_path());
  CHECK(find_model(path).error().message.find(path) != std::string::npos);
  CHECK(parse(built_in_configs().at("llama-3.1-8b"), "other.json").name == "other");
  CHECK(parse(built_in_configs().at("llama-3.1-8b"), "config.json").name == "llama");
}

}  // namespace scsim::cost_models
