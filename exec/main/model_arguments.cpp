#include "exec/main/model_arguments.h"

#include <ATen/Parallel.h>

#include "exec/session/device.h"
#include "traces/text.h"

namespace scsim::exec {

std::vector<program::Argument> model_arguments(ModelArguments& arguments) {
  return {{.name = "--model",
           .value_name = "PATH",
           .into = &arguments.model,
           .sentence = "a Hugging Face folder or a .gguf file (SmolLM2-135M-Instruct)",
           .completes = program::Completes::kFile},
          {.name = "--device",
           .value_name = "DEVICE",
           .into = &arguments.device,
           .sentence = "cpu, cuda or cuda:N",
           .offers = {"cpu", "cuda"}},
          {.name = "--threads",
           .value_name = "N",
           .into = &arguments.threads,
           .sentence = "that compute on a CPU (all cores)",
           .min = 1}};
}

program::Argument saved_every_argument(ModelArguments& arguments) {
  return {.name = "--save-state-every",
          .value_name = "N",
          .into = &arguments.saved_every,
          .sentence = "of recurrent layers: tokens between states that prompts can go back to",
          .min = 1};
}

Expected<void> check_layers(const methods::MethodChoice& method, const LoadedModel& model) {
  const CalibrationModel& described = model.description;
  return methods::check_layers(method, {.model = described.name,
                                        .attention = described.layers - described.recurrent_layers,
                                        .recurrent = described.recurrent_layers});
}

Expected<std::string> model_path(const ModelArguments& arguments) {
  return arguments.model.empty() ? default_model_path() : Expected<std::string>(arguments.model);
}

Expected<LoadedModel> load(const ModelArguments& arguments, ModelOptions options) {
  const Expected<std::string> path = model_path(arguments);
  if (!path) return path.error();
  if (arguments.threads) at::set_num_threads(static_cast<int>(*arguments.threads));
  const Expected<c10::Device> device = open_device(arguments.device);
  if (!device) return device.error();
  options.device = *device;
  options.saved_every = arguments.saved_every.value_or(0);
  Expected<LoadedModel> model = load_model(*path, options);
  if (model && arguments.saved_every && model->description.recurrent_layers == 0) {
    return Error{"--save-state-every is of recurrent layers, and " + model->description.name +
                 " has none"};
  }
  return model;
}

std::string describe_model(const LoadedModel& model) {
  const CalibrationModel& described = model.description;
  const CalibrationDevice device = describe_device(model.model->options().device);
  const bool millions = described.parameters >= 10'000'000;
  return described.name + " (" + described.weights_format + ", " +
         format_integer(millions ? described.parameters / 1'000'000 : described.parameters) +
         (millions ? " M" : "") + " parameters) on " + device.name + ", " +
         std::to_string(device.threads) + (device.threads == 1 ? " thread" : " threads");
}

}  // namespace scsim::exec
