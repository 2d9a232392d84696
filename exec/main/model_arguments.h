// The arguments by which commands are told which model to run, and where.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "exec/session/loaded_model.h"
#include "methods/method.h"
#include "traces/expected.h"
#include "traces/program/command.h"

namespace scsim::exec {

struct ModelArguments {
  std::string model;  // empty: the default one
  std::string device = "cpu";
  std::optional<std::int64_t> threads;
  std::optional<std::int64_t> saved_every;
};

std::vector<program::Argument> model_arguments(ModelArguments& arguments);
// For commands that run sessions, besides.
program::Argument saved_every_argument(ModelArguments& arguments);
// The error says that a method is not for this model's layers.
Expected<void> check_layers(const methods::MethodChoice& method, const LoadedModel& model);

// The path of the model that is meant.
Expected<std::string> model_path(const ModelArguments& arguments);
// Sets the threads, opens the device, loads the model on it; of `options` device and saved_every
// are those of the arguments.
Expected<LoadedModel> load(const ModelArguments& arguments, ModelOptions options = {});

// "SmolLM2 135M Instruct (GGUF, Q4_1, 135 M parameters) on AMD EPYC, 2 threads"
std::string describe_model(const LoadedModel& model);

}  // namespace scsim::exec
