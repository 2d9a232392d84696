// What was trained is what runs: the differentiable network and the model runtime, which share no
// code for a layer, agree on every logit.
#include "exec/train/network.h"

#include <ATen/ATen.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <vector>

#include "exec/session/loaded_model.h"
#include "exec/train/adamw.h"
#include "exec/train/model_folder.h"
#include "exec/train/recipe.h"
#include "tests/exec/api/measured.h"
#include "tests/support/temporary_folder.h"
#include "traces/files.h"
#include "traces/rng.h"

namespace scsim::exec {
namespace {

constexpr std::int64_t kVocabulary = 70;  // of the tokenizer in symbols

ModelConfig config_of(const std::string& network) {
  const auto recipe = parse_training_recipe(
      "{steps: 1, tasks: [{name: kv, length: 64}], network: " + network + "}", "test");
  INFO((recipe ? "" : recipe.error().message));
  REQUIRE(recipe.has_value());
  return network_config(recipe->network(), kVocabulary);
}

// Norms and biases begin at 1 and 0, where a mistake would not show.
void disturb(Network& network) {
  for (auto& [name, value] : network.parameters()) {
    Rng rng(3, "test.disturb." + name);
    const at::Tensor plain = value.detach();
    float* values = plain.mutable_data_ptr<float>();
    for (std::int64_t i = 0; i < plain.numel(); ++i) {
      values[i] += static_cast<float>(0.1 * rng.normal());
    }
  }
}

std::vector<std::int32_t> random_tokens(std::size_t count) {
  Rng rng(5, "test.tokens");
  std::vector<std::int32_t> tokens(count);
  for (std::int32_t& token : tokens) token = static_cast<std::int32_t>(rng.below(kVocabulary));
  return tokens;
}

at::Tensor row_of(const std::vector<std::int32_t>& tokens) {
  return at::tensor(at::ArrayRef<std::int32_t>(tokens)).to(at::kLong).unsqueeze(0);
}

TEST_CASE("the logits of a trained network are those of the model that was saved",
          "[exec][train]") {
  for (const char* network :
       {"{hidden: 48, layers: [attention, attention], intermediate: 80, attention: {heads: 6, "
        "kv_heads: 2, rope_theta: 500}}",
        "{hidden: 32, layers: [mamba2, mamba2, mamba2], recurrence: {heads: 8, state: 24, expand: "
        "3, conv_kernel: 3}}",
        "{hidden: 64, layers: [mamba2, attention, mamba2], intermediate: 96, attention: {heads: 4, "
        "kv_heads: 2}, recurrence: {heads: 2, state: 16}}"}) {
    INFO(network);
    const ModelConfig config = config_of(network);
    Network trained(config, 7);
    disturb(trained);
    const test::TemporaryFolder folder;
    REQUIRE(write_file(folder.file("tokenizer.json"), symbol_tokenizer_json()).has_value());
    REQUIRE(save_model(folder.path(), config, trained.parameters()).has_value());

    const Expected<LoadedModel> loaded = load_model(folder.path(), {});
    INFO((loaded ? "" : loaded.error().message));
    REQUIRE(loaded.has_value());
    CHECK(loaded->tokenizer.vocabulary_size() == kVocabulary);
    CHECK(loaded->model->config().parameters() == config.parameters());
    CHECK(loaded->model->config().max_positions == config.max_positions);

    // Longer than two chunks of a scan, and not a whole number of them.
    const std::vector<std::int32_t> tokens = random_tokens(150);
    KvCache cache = loaded->model->make_cache();
    MethodRuntime full;
    test::Measured measured;
    const Expected<at::Tensor> expected =
        loaded->model->prefill_all_logits(tokens, cache, full, measured.measure);
    REQUIRE(expected.has_value());
    const at::Tensor logits = trained.logits(trained.hidden(row_of(tokens))).detach().squeeze(0);
    REQUIRE(logits.sizes() == expected->sizes());
    CHECK((logits - *expected).abs().max().item<double>() < 1e-4);
    CHECK(logits.std().item<double>() > 0.05);
  }
}

TEST_CASE("a row's logits do not depend on its neighbours or on what stands behind",
          "[exec][train]") {
  Network network(config_of("{hidden: 32, layers: [mamba2, attention], intermediate: 48}"), 7);
  const at::Tensor a = row_of(random_tokens(40)), b = a.flip(1);
  const at::Tensor alone = network.hidden(a).detach();
  const at::Tensor beside = network.hidden(at::cat({a, b})).detach();
  CHECK((alone[0] - beside[0]).abs().max().item<double>() < 1e-5);
  const at::Tensor begun = network.hidden(a.narrow(1, 0, 25)).detach();
  CHECK((alone.narrow(1, 0, 25) - begun).abs().max().item<double>() < 1e-5);
}

// Algorithm 2 of the paper, on numbers.
TEST_CASE("AdamW does what its paper says", "[exec][train]") {
  std::map<std::string, at::Tensor> parameters;
  parameters["matrix"] = at::full({1, 1}, 2.0F).set_requires_grad(true);
  parameters["vector"] = at::full({1}, 2.0F).set_requires_grad(true);
  const AdamWOptions options{.weight_decay = 0.1, .clip = 5};
  AdamW optimiser(parameters, options);
  double matrix = 2, vector = 2, mean[2] = {}, square[2] = {};
  for (int t = 1; t <= 5; ++t) {
    // Of 3 x^2 and x: 6 x and 1, until 6 x is so long that both are made shorter.
    const at::Tensor loss = 3 * parameters["matrix"].square().sum() + parameters["vector"].sum();
    loss.backward();
    optimiser.step(0.2);
    double gradients[2] = {6 * matrix, 1};
    const double length = std::hypot(gradients[0], gradients[1]);
    double* values[2] = {&matrix, &vector};
    for (int i = 0; i < 2; ++i) {
      const double g = gradients[i] * std::min(1.0, options.clip / length);
      mean[i] = 0.9 * mean[i] + 0.1 * g;
      square[i] = 0.99 * square[i] + 0.01 * g * g;
      const double step = mean[i] / (1 - std::pow(0.9, t)) /
                          (std::sqrt(square[i] / (1 - std::pow(0.99, t))) + 1e-8);
      *values[i] -= 0.2 * (step + (i == 0 ? 0.1 * *values[i] : 0));
    }
    CHECK(parameters["matrix"].item<double>() == Approx(matrix).epsilon(1e-5));
    CHECK(parameters["vector"].item<double>() == Approx(vector).epsilon(1e-5));
    CHECK_FALSE(parameters["matrix"].grad().defined());
  }
}

}  // namespace
}  // namespace scsim::exec
