#include "exec/train/recipe.h"

#include <algorithm>
#include <optional>
#include <set>

#include "exec/tasks/task.h"
#include "exec/weights/config_checks.h"
#include "traces/files.h"
#include "traces/text.h"
#include "traces/yaml_defaults.h"
#include "traces/yaml_message.h"

namespace scsim::exec {
namespace {

std::int64_t signed_of(std::uint64_t value) { return static_cast<std::int64_t>(value); }

// What is wrong with the network that no single key shows, as "key: why".
std::optional<std::string> wrong_network(const proto::NetworkRecipe& network) {
  const proto::AttentionRecipe& attention = network.attention();
  const bool attends = std::ranges::count(network.layers(), "attention") > 0;
  const bool recurs = std::ranges::count(network.layers(), "mamba2") > 0;
  if (attends && network.hidden() % (2 * attention.heads()) != 0) {
    return "attention.heads: hidden (" + std::to_string(network.hidden()) +
           ") must be a multiple of twice their number (" + std::to_string(attention.heads()) + ")";
  }
  if (attends && attention.heads() % attention.kv_heads() != 0) {
    return "attention.kv_heads: must divide heads (" + std::to_string(attention.heads()) + ")";
  }
  const std::uint64_t inner = network.hidden() * network.recurrence().expand();
  if (recurs && inner % network.recurrence().heads() != 0) {
    return "recurrence.heads: must divide expand * hidden (" + std::to_string(inner) + ")";
  }
  if (attends && recurs && network.hidden() / attention.heads() % 4 != 0) {
    return "attention.heads: heads of a Bamba, half of which is rotated, must be a multiple of 4 "
           "wide";
  }
  if (attends != (network.intermediate() > 0)) {
    return attends ? "intermediate: layers of a network with attention have a feed-forward part; "
                     "expected more than 0"
                   : "intermediate: a Mamba-2 has no feed-forward part; expected 0";
  }
  return std::nullopt;
}

std::optional<std::string> wrong_task(const proto::TrainingTask& task) {
  const Expected<TaskEntry> entry = find_task(task.name());
  if (!entry) return "name: " + entry.error().message;
  if (const auto known = check_style(*entry, PromptStyle::kSymbols); !known) {
    return "name: " + known.error().message;
  }
  if (task.length() < task.first_length()) {
    return "length: must be at least first_length (" + std::to_string(task.first_length()) + ")";
  }
  return std::nullopt;
}

}  // namespace

Expected<proto::TrainingRecipe> parse_training_recipe(const std::string& text,
                                                      const std::string& name) {
  proto::TrainingRecipe recipe;
  if (const auto read = read_yaml_text(text, name, recipe); !read) return read.error();
  fill_yaml_defaults(recipe);
  if (const auto wrong = wrong_network(recipe.network())) {
    return Error{name + ": network." + *wrong};
  }
  std::set<std::string> names;
  for (int i = 0; i < recipe.tasks_size(); ++i) {
    const std::string where = name + ": tasks[" + std::to_string(i) + "].";
    if (const auto wrong = wrong_task(recipe.tasks(i))) return Error{where + *wrong};
    if (!names.insert(recipe.tasks(i).name()).second) {
      return Error{where + "name: " + recipe.tasks(i).name() + " is there twice"};
    }
  }
  const auto at_once = [](const proto::TrainingTask& task) { return task.from_step() == 0; };
  if (std::ranges::none_of(recipe.tasks(), at_once)) {
    return Error{name + ": tasks: one must be learnt from step 0 on"};
  }
  return recipe;
}

Expected<proto::TrainingRecipe> read_training_recipe(const std::string& path) {
  const Expected<std::string> text = read_file(path);
  if (!text) return text.error();
  return parse_training_recipe(*text, path);
}

ModelConfig network_config(const proto::NetworkRecipe& network, std::int64_t vocabulary) {
  ModelConfig config;
  config.hidden = signed_of(network.hidden());
  config.layers = network.layers_size();
  config.vocabulary = vocabulary;
  const bool attends = std::ranges::count(network.layers(), "attention") > 0;
  const bool recurs = std::ranges::count(network.layers(), "mamba2") > 0;
  config.family = !recurs ? "llama" : (attends ? "bamba" : "mamba2");
  config.max_positions = attends ? signed_of(network.max_positions()) : kMostTokens;
  config.mlp.intermediate = signed_of(network.intermediate());
  if (attends) {
    AttentionConfig& attention = config.attention;
    attention.query_heads = signed_of(network.attention().heads());
    attention.kv_heads = signed_of(network.attention().kv_heads());
    attention.head_dim = config.hidden / attention.query_heads;
    config.rope.theta = network.attention().rope_theta();
    config.rope.rotary_dim = attention.head_dim / (recurs ? 2 : 1);
  }
  if (recurs) {
    MambaConfig& mamba = config.mamba;
    mamba.version = 2;
    mamba.inner = config.hidden * signed_of(network.recurrence().expand());
    mamba.state = signed_of(network.recurrence().state());
    mamba.conv_kernel = signed_of(network.recurrence().conv_kernel());
    mamba.heads = signed_of(network.recurrence().heads());
    mamba.head_dim = mamba.inner / mamba.heads;
    mamba.groups = 1;
    for (const std::string& mixer : network.layers()) {
      config.mixers.push_back(mixer == "attention" ? Mixer::kAttention : Mixer::kMamba);
    }
  }
  return config;
}

}  // namespace scsim::exec
