#include "exec/train/recipe.h"

#include <catch2/catch.hpp>

namespace scsim::exec {
namespace {

const std::string kNetwork = "network: {hidden: 32, layers: [attention], intermediate: 48}\n";
const std::string kTasks = "tasks: [{name: kv, length: 64}]\n";

TEST_CASE("a recipe's mistakes are named with what is near", "[exec][train]") {
  const struct {
    std::string text, message;
  } cases[] = {
      {kNetwork + kTasks, "steps: this key is required"},
      {kNetwork + kTasks + "steps: 5\nlearning_rat: 1", "did you mean \"learning_rate\"?"},
      {kNetwork + kTasks + "steps: 0", "r.yaml:3: steps"},
      {kNetwork + "steps: 5\ntasks: [{name: kvv, length: 64}]", "did you mean \"kv\"?"},
      {kNetwork + "steps: 5\ntasks: [{name: repoqa, length: 64}]", "tasks that have them: kv"},
      {kNetwork + "steps: 5\ntasks: [{name: kv, length: 32}]", "at least first_length (48)"},
      {kNetwork + "steps: 5\ntasks: [{name: kv, length: 64}, {name: kv, length: 64}]",
       "tasks[1].name: kv is there twice"},
      {kNetwork + "steps: 5\ntasks: [{name: kv, length: 64, from_step: 3}]", "from step 0"},
      {kTasks + "steps: 5\nnetwork: {hidden: 32, layers: [atention]}", "layers"},
      {kTasks + "steps: 5\nnetwork: {hidden: 30, layers: [attention], intermediate: 8}",
       "network.attention.heads: hidden (30)"},
      {kTasks + "steps: 5\nnetwork: {hidden: 32, layers: [attention], intermediate: 8, attention: "
                "{kv_heads: 3}}",
       "network.attention.kv_heads: must divide heads (4)"},
      {kTasks + "steps: 5\nnetwork: {hidden: 32, layers: [attention]}", "network.intermediate"},
      {kTasks + "steps: 5\nnetwork: {hidden: 32, layers: [mamba2], intermediate: 8}",
       "network.intermediate: a Mamba-2 has no"},
      {kTasks + "steps: 5\nnetwork: {hidden: 31, layers: [mamba2]}",
       "network.recurrence.heads: must divide expand * hidden (62)"}};
  for (const auto& given : cases) {
    const auto recipe = parse_training_recipe(given.text, "r.yaml");
    INFO(given.text);
    REQUIRE_FALSE(recipe.has_value());
    INFO(recipe.error().message);
    CHECK(recipe.error().message.find("r.yaml") == 0);
    CHECK(recipe.error().message.find(given.message) != std::string::npos);
  }
}

TEST_CASE("what mixes tokens decides the family", "[exec][train]") {
  const auto family = [](const std::string& network) {
    const auto recipe = parse_training_recipe("steps: 1\n" + kTasks + "network: " + network, "r");
    INFO((recipe ? "" : recipe.error().message));
    REQUIRE(recipe.has_value());
    return network_config(recipe->network(), 70).family;
  };
  CHECK(family("{hidden: 32, layers: [attention], intermediate: 8}") == "llama");
  CHECK(family("{hidden: 32, layers: [mamba2, mamba2]}") == "mamba2");
  CHECK(family("{hidden: 32, layers: [mamba2, attention], intermediate: 8}") == "bamba");
}

}  // namespace
}  // namespace scsim::exec
