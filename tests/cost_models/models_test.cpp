#include <catch2/catch.hpp>
#include <map>
#include <set>

#include "cost_models/layer_matrices.h"
#include "cost_models/shapes.h"

namespace scsim::cost_models {
namespace {

double table_parameters(const ModelShape& model) {
  return static_cast<double>(model.vocabulary * model.hidden);
}

}  // namespace

TEST_CASE("parameters are those published", "[cost_models][models]") {
  // Counts of the safetensors indices where they are exact, else of the model cards.
  const std::map<std::string, double> published = {
      {"llama-3.1-8b", 8'030'261'248.0},  {"llama-3.1-70b", 70'553'706'496.0},
      {"qwen2.5-7b", 7'615'616'512.0},    {"qwen2.5-32b", 32'763'876'352.0},
      {"qwen2.5-72b", 72'706'203'648.0},  {"glm-4-9b-1m", 9.48e9},
      {"mixtral-8x7b", 46'702'792'704.0}, {"deepseek-v3", 671e9},
      {"gpt-oss-20b", 20.91e9},           {"gpt-oss-120b", 116.83e9},
      {"mamba2-7b", 7'285'403'648.0},     {"jamba-1.5-mini", 51.6e9},
      {"smollm2-135m", 134'515'008.0},
  };
  CHECK(model_table().size() == published.size());
  for (const auto& [name, count] : published) {
    INFO(name);
    CHECK(find_model(name)->parameters() == Approx(count).epsilon(0.001));
  }
  // Dense models without biases: to the last weight.
  for (const std::string name : {"llama-3.1-8b", "llama-3.1-70b", "mixtral-8x7b", "smollm2-135m"}) {
    CHECK(find_model(name)->parameters() == published.at(name));
  }
}

TEST_CASE("active parameters are those published", "[cost_models][models]") {
  // Without the embedding table: the model card of gpt-oss, README_WEIGHTS of DeepSeek-V3.
  CHECK(find_model("gpt-oss-20b")->active_parameters() == Approx(3.61e9).epsilon(0.005));
  CHECK(find_model("gpt-oss-120b")->active_parameters() == Approx(5.13e9).epsilon(0.005));
  CHECK(find_model("deepseek-v3")->active_parameters() == Approx(36.6e9).epsilon(0.005));
  // Mistral and AI21 count the table as active.
  const ModelShape mixtral = *find_model("mixtral-8x7b"), jamba = *find_model("jamba-1.5-mini");
  CHECK(mixtral.active_parameters() + table_parameters(mixtral) == Approx(12.9e9).epsilon(0.01));
  CHECK(jamba.active_parameters() + table_parameters(jamba) == Approx(12e9).epsilon(0.01));
  // Dense models: all but the table, or all where the logits use it too.
  const ModelShape llama = *find_model("llama-3.1-8b"), smollm = *find_model("smollm2-135m");
  CHECK(llama.active_parameters() == llama.parameters() - table_parameters(llama));
  CHECK(smollm.active_parameters() == smollm.parameters());
}

TEST_CASE("a token's cache has the known bytes", "[cost_models][models]") {
  const std::map<std::string, double> bytes = {
      {"llama-3.1-8b", 131'072},   // 32 layers x 8 heads x (128 + 128) x 2 B
      {"llama-3.1-70b", 327'680},  // 80 x 8 x 256 x 2
      {"qwen2.5-7b", 57'344},      // 28 x 4 x 256 x 2
      {"qwen2.5-32b", 262'144},    // 64 x 8 x 256 x 2
      {"qwen2.5-72b", 327'680},    // 80 x 8 x 256 x 2
      {"glm-4-9b-1m", 81'920},     // 40 x 4 x 256 x 2
      {"mixtral-8x7b", 131'072},   // 32 x 8 x 256 x 2
      {"deepseek-v3", 70'272},     // 61 x (512 + 64) x 2: one latent for keys and values
      {"gpt-oss-20b", 24'576},     // 12 full layers x 8 x 128 x 2; 12 more keep a window
      {"gpt-oss-120b", 36'864},    // 18 x 8 x 128 x 2
      {"mamba2-7b", 0},           {"jamba-1.5-mini", 16'384},  // 4 x 8 x 256 x 2
      {"smollm2-135m", 23'040},                                // 30 x 3 x 128 x 2
  };
  for (const ModelShape& model : model_table()) {
    INFO(model.name);
    CHECK(model.cache_per_token(16).value() == bytes.at(model.name));
    CHECK(model.cache_per_token(8).value() == bytes.at(model.name) / 2);
  }
}

TEST_CASE("a sequence's state has the known bytes", "[cost_models][models]") {
  const auto bytes = [](const std::string& name, double bits) {
    return find_model(name)->state_per_sequence(bits).value();
  };
  CHECK(bytes("llama-3.1-8b", 16) == 0);
  // 18 layers x 128 tokens x 8 heads x 128 elements; half of it at 8 bits.
  CHECK(bytes("gpt-oss-120b", 16) == 18.0 * 128 * 8 * 128 * 2);
  CHECK(bytes("gpt-oss-120b", 8) == 18.0 * 128 * 8 * 128);
  // 64 layers: 8192 x 128 of the scan, 3 columns of 8192 + 2 x 8 x 128 of the convolution; whatever
  // the cache's precision is.
  CHECK(bytes("mamba2-7b", 16) == 64.0 * (8192 * 128 + 3 * 10240) * 2);
  CHECK(bytes("mamba2-7b", 8) == bytes("mamba2-7b", 16));
  CHECK(bytes("jamba-1.5-mini", 16) == 28.0 * (8192 * 16 + 3 * 8192) * 2);
  CHECK(find_model("jamba-1.5-mini")->has_recurrent_layers());
  CHECK_FALSE(find_model("gpt-oss-120b")->has_recurrent_layers());
}

TEST_CASE("every model has a name of its own, a source and layers", "[cost_models][models]") {
  std::set<std::string> names;
  for (const ModelShape& model : model_table()) {
    INFO(model.name);
    CHECK(names.insert(model.name).second);
    CHECK(model.source.find("config.json") != std::string::npos);
    CHECK(model.num_layers() > 0);
    CHECK(dtype_bits(model.default_weight_dtype).has_value());
  }
}

TEST_CASE("sharding a layer divides its matrices and repeats what every GPU needs",
          "[cost_models][models]") {
  const auto parameters = [](const ModelShape& model, const Parallel& parallel) {
    double sum = 0;
    for (const Matrix& matrix : layer_matrices(model, model.layers.back(), parallel)) {
      sum += matrix.parameters();
    }
    return sum;
  };
  const ModelShape llama = *find_model("llama-3.1-8b");
  const double whole = parameters(llama, {});
  CHECK(parameters(llama, {8, 1, 1}) == whole / 8);
  // 16 GPUs for 8 key and value heads: each GPU has one of each, so they are there twice.
  const double heads = 2.0 * 8 * 128 * 4096;
  CHECK(parameters(llama, {16, 1, 1}) == (whole + heads) / 16);
  // Whole experts on as many GPUs weigh what slices of all experts do.
  const ModelShape mixtral = *find_model("mixtral-8x7b");
  CHECK(parameters(mixtral, {4, 1, 4}) == parameters(mixtral, {4, 1, 1}));
  const double router = 4096.0 * 8;
  CHECK(parameters(mixtral, {4, 1, 1}) == (parameters(mixtral, {}) - router) / 4 + router);
}

TEST_CASE("a mistyped model or precision gets the nearest name", "[cost_models][models]") {
  CHECK(find_model("llama-3.1-8B")
            .error()
            .message.starts_with("unknown model \"llama-3.1-8B\"; did you mean \"llama-3.1-8b\"? "
                                 "known: llama-3.1-8b, "));
  CHECK(find_model("llama-3.1-8B").error().message.ends_with("; or the path of a config.json"));
  CHECK(dtype_bits("bf61").error().message ==
        "unknown dtype \"bf61\"; did you mean \"bf16\"? known: bf16, fp16, fp8, int8, int4, mxfp4");
  CHECK(make_precision("fp8", "int4")->fp8_compute);
  CHECK(make_precision("mxfp4", "fp8")->weight_bits == 4.25);
  CHECK_FALSE(make_precision("int8", "fp8")->fp8_compute);
}

TEST_CASE("help shows a model on one line with its source", "[cost_models][models]") {
  CHECK(describe(*find_model("gpt-oss-20b")) ==
        "gpt-oss-20b     20.9 B parameters (3.6 B active), 24 layers, context 131,072, 24,576 B of "
        "KV per token, 3 MiB of state per sequence; config.json of openai/gpt-oss-20b");
}

}  // namespace scsim::cost_models
