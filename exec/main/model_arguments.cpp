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

Expected<std::string> model_path(const ModelArguments& arguments) {
  return arguments.model.empty() ? default_model_path() : Expected<std::string>(arguments.model);
}

Expected<LoadedModel> load(const ModelArguments& arguments) {
  const Expected<std::string> path = model_path(arguments);
  if (!path) return path.error();
  if (arguments.threads) at::set_num_threads(static_cast<int>(*arguments.threads));
  const Expected<c10::Device> device = open_device(arguments.device);
  if (!device) return device.error();
  ModelOptions options;
  options.device = *device;
  return load_model(*path, options);
}

std::string describe_model(const LoadedModel& model) {
  const CalibrationModel& described = model.description;
  const CalibrationDevice device = describe_device(model.model->options().device);
  return described.name + " (" + described.weights_format + ", " +
         format_integer(described.parameters / 1'000'000) + " M parameters) on " + device.name +
         ", " + std::to_string(device.threads) + (device.threads == 1 ? " thread" : " threads");
}

}  // namespace scsim::exec
