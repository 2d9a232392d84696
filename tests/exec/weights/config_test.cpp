#include <catch2/catch.hpp>
#include <cmath>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>

#include "exec/weights/checkpoint.h"
#include "exec/weights/hugging_face_folder.h"
#include "tests/exec/weights/gguf_bytes.h"
#include "tests/exec/weights/tiny_models.h"
#include "tests/support/shell.h"
#include "tests/support/temporary_folder.h"

namespace scsim::exec {
namespace {

using Catch::Matchers::Contains;
using Json = nlohmann::json;
using Scaling = RopeConfig::Scaling;
using test::kTinyModels;

ModelConfig config_of_tiny(const std::string& model) {
  const Expected<Checkpoint> checkpoint = Checkpoint::open(kTinyModels + model);
  INFO((checkpoint ? "" : checkpoint.error().message));
  REQUIRE(checkpoint.has_value());
  return checkpoint->config();
}

// The configuration of a tiny model's config.json with these keys changed; null takes a key away.
Expected<ModelConfig> with(const std::string& model, const Json& changes) {
  static const test::TemporaryFolder folder;
  Json config = Json::parse(test::content_of(kTinyModels + model + "/config.json"));
  config.merge_patch(changes);
  std::filesystem::create_directories(folder.file("m"));
  test::write_text(folder.file("m/config.json"), config.dump());
  return config_of_folder(folder.file("m"));
}

std::string refusal(const std::string& model, const Json& changes) {
  const Expected<ModelConfig> config = with(model, changes);
  return config ? "no error" : config.error().message;
}

void check_same(const RopeConfig& a, const RopeConfig& b) {
  CHECK(a.theta == b.theta);
  CHECK(a.rotary_dim == b.rotary_dim);
  CHECK(a.interleaved == b.interleaved);
  CHECK(a.scaling == b.scaling);
  CHECK(a.factor == b.factor);
  CHECK(a.original_max_positions == b.original_max_positions);
  CHECK(a.beta_fast == b.beta_fast);
  CHECK(a.beta_slow == b.beta_slow);
  CHECK(a.attention_factor == b.attention_factor);
}

}  // namespace

TEST_CASE("a family's config.json says what is special to it", "[exec][weights]") {
  const ModelConfig llama = config_of_tiny("llama");
  CHECK(llama.family == "llama");
  CHECK(llama.hidden == 32);
  CHECK(llama.layers == 2);
  CHECK(llama.vocabulary == 96);
  CHECK(llama.max_positions == 64);
  CHECK(llama.norm_epsilon == 1e-6);
  CHECK(llama.attention.head_dim == 8);
  CHECK(llama.attention.kv_heads == 2);
  CHECK_FALSE(llama.attention.qkv_bias);
  CHECK_FALSE(llama.tied_embeddings);
  CHECK(llama.rope.rotary_dim == 8);
  CHECK(llama.end_tokens == std::vector<std::int32_t>{2});
  CHECK(llama.begin_token == 1);

  const ModelConfig biased = config_of_tiny("llama_linear");
  CHECK(biased.attention.qkv_bias);
  CHECK(biased.attention.output_bias);
  CHECK(biased.mlp.bias);
  CHECK(biased.rope.scaling == Scaling::kLinear);
  CHECK(biased.rope.factor == 4);

  const ModelConfig llama3 = config_of_tiny("llama_llama3");  // as transformers 4 writes it
  CHECK(llama3.tied_embeddings);
  CHECK(llama3.attention.head_dim == 16);
  CHECK(llama3.rope.scaling == Scaling::kLlama3);
  CHECK(llama3.rope.theta == 500000);
  CHECK(llama3.rope.original_max_positions == 32);

  const ModelConfig yarn = config_of_tiny("llama_yarn");
  CHECK(yarn.rope.scaling == Scaling::kYarn);
  CHECK(yarn.rope.beta_fast == 16);
  CHECK_FALSE(yarn.rope.attention_factor.has_value());

  CHECK(config_of_tiny("qwen2").attention.qkv_bias);
  CHECK_FALSE(config_of_tiny("qwen2").attention.output_bias);
  CHECK(config_of_tiny("qwen2").attention.sliding_window == 0);
  CHECK(config_of_tiny("qwen3").attention.qk_norm);
  CHECK_FALSE(config_of_tiny("qwen3").attention.qkv_bias);
  CHECK(config_of_tiny("mistral").attention.sliding_window == 12);

  for (const char* model : {"glm", "glm4"}) {
    const ModelConfig glm = config_of_tiny(model);
    CHECK(glm.rope.interleaved);
    CHECK(glm.rope.rotary_dim == 8);
    CHECK(glm.attention.qkv_bias);
    CHECK_FALSE(glm.attention.output_bias);
    CHECK(glm.post_norms == (std::string(model) == "glm4"));
  }
  const ModelConfig mixtral = config_of_tiny("mixtral");
  CHECK(mixtral.mlp.experts == 4);
  CHECK(mixtral.mlp.experts_per_token == 2);
  CHECK(mixtral.mlp.renormalise_experts);
  const ModelConfig qwen3_moe = config_of_tiny("qwen3_moe");
  CHECK(qwen3_moe.mlp.intermediate == 16);
  CHECK_FALSE(qwen3_moe.mlp.renormalise_experts);
}

TEST_CASE("recurrent layers are read, and which layers they are", "[exec][weights]") {
  const ModelConfig mamba2 = config_of_tiny("mamba2");
  CHECK(mamba2.attention_layers() == 0);
  CHECK(mamba2.recurrent_layers() == 2);
  CHECK(mamba2.mlp.intermediate == 0);
  CHECK(mamba2.rope.rotary_dim == 0);
  CHECK(mamba2.mamba.version == 2);
  CHECK(mamba2.mamba.inner == 64);
  CHECK(mamba2.mamba.groups == 8);
  CHECK(mamba2.mamba.conv_channels() == 64 + 2 * 8 * 16);
  CHECK(mamba2.mamba.state_bytes() == 4 * (3 * (64 + 2 * 8 * 16) + 64 * 16));
  // A bare word in the file.
  CHECK(mamba2.mamba.time_step_max == std::numeric_limits<double>::infinity());
  CHECK_FALSE(mamba2.tied_embeddings);
  const ModelConfig biases = config_of_tiny("mamba2_biases");
  CHECK(biases.mamba.bias);
  CHECK_FALSE(biases.mamba.conv_bias);
  CHECK(biases.mamba.conv_kernel == 3);
  CHECK(biases.mamba.time_step_min == 0.05);
  CHECK(biases.mamba.time_step_max == 0.4);
  CHECK(biases.tied_embeddings);
  const ModelConfig mamba = config_of_tiny("mamba");
  CHECK(mamba.mamba.version == 1);
  CHECK(mamba.mamba.time_step_rank == 3);
  CHECK_FALSE(mamba.mamba.inner_norms);
  const ModelConfig jamba = config_of_tiny("jamba");
  CHECK(jamba.mamba.inner_norms);
  CHECK(jamba.rope.rotary_dim == 0);
  CHECK_FALSE(jamba.mlp.renormalise_experts);
  for (std::int64_t i = 0; i < 4; ++i) {
    CHECK(jamba.attends(i) == (i == 2));
    CHECK(jamba.has_experts(i) == (i % 2 == 1));
  }
  const ModelConfig bamba = config_of_tiny("bamba");
  CHECK(bamba.attention_layers() == 1);
  CHECK(bamba.attends(1));
  CHECK(bamba.mamba.time_step_max == std::numeric_limits<double>::infinity());
  CHECK(bamba.rope.rotary_dim == 4);
}

TEST_CASE("a GGUF file's metadata says what the folder's config.json says", "[exec][weights]") {
  for (const std::string& model : test::tiny_models()) {
    if (!std::filesystem::exists(test::kTinyModels + model + "/model.gguf")) continue;
    INFO(model);
    const ModelConfig folder = config_of_tiny(model);
    const ModelConfig gguf = config_of_tiny(model + "/model.gguf");
    CHECK(gguf.family == folder.family);
    CHECK(gguf.name == model);
    CHECK(gguf.hidden == folder.hidden);
    CHECK(gguf.layers == folder.layers);
    CHECK(gguf.vocabulary == folder.vocabulary);
    CHECK(gguf.max_positions == folder.max_positions);
    CHECK(static_cast<float>(gguf.norm_epsilon) == static_cast<float>(folder.norm_epsilon));
    CHECK(gguf.tied_embeddings == folder.tied_embeddings);
    CHECK(gguf.attention.query_heads == folder.attention.query_heads);
    CHECK(gguf.attention.kv_heads == folder.attention.kv_heads);
    CHECK(gguf.attention.head_dim == folder.attention.head_dim);
    CHECK(gguf.attention.qkv_bias == folder.attention.qkv_bias);
    CHECK(gguf.attention.output_bias == folder.attention.output_bias);
    CHECK(gguf.attention.qk_norm == folder.attention.qk_norm);
    CHECK(gguf.mlp.intermediate == folder.mlp.intermediate);
    CHECK(gguf.mlp.bias == folder.mlp.bias);
    CHECK(gguf.mlp.experts == folder.mlp.experts);
    CHECK(gguf.mlp.experts_per_token == folder.mlp.experts_per_token);
    CHECK(gguf.mlp.renormalise_experts == folder.mlp.renormalise_experts);
    CHECK(gguf.post_norms == folder.post_norms);
    CHECK(gguf.end_tokens == folder.end_tokens);
    CHECK(gguf.begin_token == folder.begin_token);
    if (folder.rope.scaling == Scaling::kLlama3) continue;  // as divisors, below
    RopeConfig expected = folder.rope;
    if (expected.scaling == Scaling::kLinear) {
      expected.original_max_positions = gguf.rope.original_max_positions;  // without a meaning
    }
    check_same(gguf.rope, expected);
  }
}

TEST_CASE("a GGUF file's divisors of frequencies give those of the llama3 scaling",
          "[exec][weights]") {
  const RopeConfig rope = config_of_tiny("llama_llama3/model.gguf").rope;
  const std::vector<float> expected = test::expected("llama_llama3", "frequencies");
  CHECK(rope.scaling == Scaling::kNone);
  REQUIRE(rope.divisors.size() == expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const double exponent = -2. * static_cast<double>(i) / static_cast<double>(rope.rotary_dim);
    const double frequency = std::pow(rope.theta, exponent) / rope.divisors[i];
    CHECK(frequency == Approx(expected[i]).epsilon(1e-6));
  }
}

TEST_CASE("the keys of transformers 4 mean what those of 5 mean", "[exec][weights]") {
  const auto old = with("llama_yarn", {{"rope_parameters", nullptr},
                                       {"rope_theta", 10000.0},
                                       {"rope_scaling",
                                        {{"type", "yarn"},
                                         {"factor", 4.0},
                                         {"beta_fast", 16},
                                         {"beta_slow", 2},
                                         {"original_max_position_embeddings", 16}}}});
  REQUIRE(old.has_value());
  check_same(old->rope, config_of_tiny("llama_yarn").rope);
}

TEST_CASE("yarn's factor of attention is the quotient of its two scales", "[exec][weights]") {
  const auto config =
      with("llama_yarn", {{"rope_parameters", {{"mscale", 0.5}, {"mscale_all_dim", 2.0}}}});
  REQUIRE(config.has_value());
  const double log = std::log(4.0);
  CHECK(*config->rope.attention_factor == Approx((0.05 * log + 1) / (0.2 * log + 1)));
  CHECK(with("llama_yarn", {{"rope_parameters", {{"attention_factor", 1.25}}}})
            ->rope.attention_factor == 1.25);
}

TEST_CASE("a sliding window of all layers is one, of some it is refused", "[exec][weights]") {
  const auto qwen = [](std::int64_t first) {
    return Json{{"use_sliding_window", true},
                {"sliding_window", 24},
                {"layer_types", nullptr},
                {"max_window_layers", first}};
  };
  CHECK(with("qwen2", qwen(0))->attention.sliding_window == 24);
  CHECK(with("qwen2", qwen(2))->attention.sliding_window == 0);
  CHECK_THAT(refusal("qwen2", qwen(1)), Contains("sliding_window holds for 1 of 2 layers"));
  CHECK(with("mistral", {{"sliding_window", nullptr}})->attention.sliding_window == 0);
  CHECK_THAT(refusal("mistral", {{"layer_types", {"sliding_attention", "chunked_attention"}}}),
             Contains("unsupported \"chunked_attention\""));
}

TEST_CASE("what ends an answer is what generation_config.json says, else config.json",
          "[exec][weights]") {
  const test::TemporaryFolder folder;
  test::write_text(folder.file("config.json"), test::content_of(kTinyModels + "llama/config.json"));
  CHECK(config_of_folder(folder.path())->end_tokens == std::vector<std::int32_t>{2});
  test::write_text(folder.file("generation_config.json"), R"({"eos_token_id": [7, 9]})");
  CHECK(config_of_folder(folder.path())->end_tokens == std::vector<std::int32_t>{7, 9});
  test::write_text(folder.file("generation_config.json"), R"({"eos_token_id": "</s>"})");
  const auto wrong = config_of_folder(folder.path());
  REQUIRE_FALSE(wrong.has_value());
  CHECK_THAT(wrong.error().message, Contains("generation_config.json: eos_token_id must be"));
}

TEST_CASE("configurations that no network can have are refused by key", "[exec][weights]") {
  CHECK_THAT(refusal("llama", {{"model_type", "lama"}}),
             Contains("unknown model_type \"lama\"; did you mean \"llama\"?"));
  CHECK_THAT(refusal("llama", {{"model_type", nullptr}}), Contains("model_type is missing"));
  CHECK_THAT(refusal("llama", {{"hidden_size", nullptr}}), Contains("hidden_size is missing"));
  CHECK_THAT(refusal("llama", {{"hidden_size", "big"}}), Contains("hidden_size must be a whole"));
  CHECK_THAT(refusal("llama", {{"num_hidden_layers", 0}}), Contains("number of layers"));
  CHECK_THAT(refusal("llama", {{"num_hidden_layers", 1'000'000}}), Contains("num_hidden_layers"));
  CHECK_THAT(refusal("llama", {{"num_attention_heads", 0}}), Contains("query heads"));
  CHECK_THAT(refusal("llama", {{"num_key_value_heads", 3}}), Contains("no multiple of the 3"));
  CHECK_THAT(refusal("llama", {{"head_dim", 7}}), Contains("expected an even number"));
  CHECK_THAT(refusal("llama", {{"hidden_act", "gelu"}}), Contains("hidden_act must be \"silu\""));
  CHECK_THAT(refusal("llama", {{"quantization_config", {{"bits", 4}}}}), Contains("GGUF"));
  CHECK_THAT(refusal("llama", {{"rope_parameters", {{"rope_type", "longrope"}}}}),
             Contains("rope_parameters.rope_type is not supported: unknown scaling \"longrope\""));
  CHECK_THAT(refusal("llama_yarn", {{"rope_parameters", {{"truncate", false}}}}),
             Contains("rope_parameters.truncate must be true"));
  CHECK_THAT(refusal("llama_yarn", {{"rope_parameters", {{"factor", nullptr}}}}),
             Contains("rope_parameters.factor is missing"));
  CHECK_THAT(refusal("mixtral", {{"num_experts_per_tok", 5}}), Contains("found 5 of 4"));
  CHECK_THAT(refusal("mixtral", {{"num_hidden_layers", 10'000}, {"num_local_experts", 100}}),
             Contains("found 1000000"));
  CHECK_THAT(refusal("qwen3_moe", {{"decoder_sparse_step", 2}}), Contains("not supported"));
}

TEST_CASE("recurrent layers that no network can have are refused by key", "[exec][weights]") {
  CHECK_THAT(refusal("mamba2_biases", {{"num_heads", 5}}),
             Contains("make up the 64 channels, found 5 heads of 16 in 1 groups"));
  CHECK_THAT(refusal("mamba2_biases", {{"n_groups", 3}}), Contains("4 heads of 16 in 3 groups"));
  CHECK_THAT(refusal("mamba2_biases", {{"state_size", 0}}),
             Contains("the state of a channel must be from 1 to"));
  CHECK_THAT(refusal("mamba2_biases", {{"time_step_limit", {0.5, 0.1}}}),
             Contains("the limits of the time steps must ascend"));
  CHECK_THAT(refusal("mamba2_biases", {{"time_step_limit", 3}}),
             Contains("time_step_limit must be a list of two numbers, found 3"));
  CHECK_THAT(refusal("mamba2_biases", {{"rms_norm", false}}), Contains("rms_norm must be true"));
  CHECK_THAT(refusal("mamba2_biases", {{"hidden_act", "gelu"}}), Contains("hidden_act must be"));
  CHECK_THAT(refusal("mamba2_biases", {{"conv_kernel", nullptr}}),
             Contains("conv_kernel is missing"));
  CHECK_THAT(refusal("jamba", {{"expert_layer_offset", 2}}),
             Contains("experts in one layer of each period of layers, found layer 2 of 2"));
  CHECK_THAT(refusal("bamba", {{"attn_layer_indices", {1, 3}}}),
             Contains("attn_layer_indices must be numbers of layers, from 0 to 2"));
  const Expected<ModelConfig> automatic =
      with("jamba", {{"mamba_dt_rank", "auto"}, {"num_experts", 1}});
  REQUIRE(automatic.has_value());
  CHECK(automatic->mamba.time_step_rank == 2);  // a sixteenth of 32
  CHECK_FALSE(automatic->has_experts(1));
}

TEST_CASE("GGUF architectures that are not known, and parts of a model, are refused",
          "[exec][weights]") {
  const test::TemporaryFolder folder;
  const auto refusal_of = [&](test::GgufBytes& bytes) {
    test::overwrite(folder.file("x.gguf"), bytes.bytes());
    const Expected<Checkpoint> checkpoint = Checkpoint::open(folder.file("x.gguf"));
    return checkpoint ? "no error" : checkpoint.error().message;
  };
  test::GgufBytes unknown, silent, part;
  unknown.add_text("general.architecture", "qwen2vl");
  CHECK_THAT(refusal_of(unknown),
             Contains("unknown general.architecture \"qwen2vl\"; did you mean"));
  CHECK_THAT(refusal_of(silent), Contains("general.architecture is missing"));
  part.add_text("general.architecture", "llama");
  CHECK_THAT(refusal_of(part), Contains("metadata llama.embedding_length is missing"));
  for (const char* key : {"embedding_length", "block_count", "context_length"}) {
    part.add_u32(std::string("llama.") + key, 32);
  }
  part.add_u32("llama.attention.head_count", 4);
  part.add_u32("llama.feed_forward_length", 48);
  part.add_text("llama.rope.scaling.type", "yarn");
  part.add("llama.rope.scaling.attn_factor", 6, test::raw(0.5F));
  CHECK_THAT(refusal_of(part), Contains("llama.rope.scaling.attn_factor other than 1"));
  part.add("split.count", 2, test::raw(std::uint16_t{3}));
  CHECK_THAT(refusal_of(part), Contains("one part of a model split over 3 files"));
}

}  // namespace scsim::exec
