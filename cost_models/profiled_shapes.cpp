// The model and the device of a profile, as shapes.
#include <algorithm>
#include <cctype>

#include "cost_models/profile.h"
#include "traces/text.h"

namespace scsim::cost_models {
namespace {

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

Expected<double> type_bits(const std::string& name) {
  const std::string type = lower(name);
  if (type == "float" || type == "float32") return 32.0;
  if (type == "half" || type == "float16" || type == "bfloat16") return 16.0;
  if (type == "double" || type == "float64") return 64.0;
  return Error{"the profile's model computes in \"" + name +
               "\"; known: float32, float16, bfloat16, float64"};
}

}  // namespace

std::optional<int> full_method(const Profile& profile) {
  const auto& methods = profile.design.methods;
  const auto found = std::ranges::find(methods, "full", &CalibrationMethod::name);
  if (found == methods.end()) return std::nullopt;
  return static_cast<int>(found - methods.begin());
}

Expected<ModelShape> profiled_model(const Profile& profile) {
  const CalibrationModel& model = profile.design.model;
  if (model.layers <= 0 || model.kv_heads <= 0 || model.head_dim <= 0)
    return Error{
        "the profile does not say what layers its model has; was it measured on a server?"};
  ModelShape shape;
  shape.name = model.name;
  shape.source = "the profile";
  shape.hidden = model.hidden;
  shape.vocabulary = model.vocabulary;
  LayerClass attention;
  attention.count = model.layers - model.recurrent_layers;
  attention.query_heads = model.query_heads;
  attention.kv_heads = model.kv_heads;
  attention.head_dim = model.head_dim;
  shape.layers = {attention};
  if (model.recurrent_layers > 0) {
    LayerClass recurrent;
    recurrent.mixer = LayerClass::Mixer::kMamba2;
    recurrent.count = model.recurrent_layers;
    shape.layers.push_back(recurrent);
  }
  return shape;
}

Expected<Precision> profiled_precision(const Profile& profile) {
  const auto weights = type_bits(profile.design.model.compute_type);
  const auto cache = type_bits(profile.design.model.kv_type);
  if (!weights) return weights.error();
  if (!cache) return cache.error();
  return Precision{.weight_bits = *weights, .cache_bits = *cache};
}

GpuShape profiled_device(const Profile& profile) {
  const CalibrationDevice& device = profile.design.device;
  for (const GpuShape& gpu : gpu_table())
    if (is_profiled_device(profile, gpu.name)) return gpu;
  GpuShape shape;
  shape.name = shape.full_name = device.name;
  shape.source = "the profile";
  shape.memory = shape.usable_memory = Bytes(static_cast<double>(device.memory_bytes));
  return shape;
}

bool is_profiled_model(const Profile& profile, const std::string& name) {
  const CalibrationModel& model = profile.design.model;
  if (lower(name) == lower(model.name)) return true;
  const auto known = find_model(name);
  if (!known || known->hidden != model.hidden || known->vocabulary != model.vocabulary ||
      known->num_layers() != model.layers)
    return false;
  return std::ranges::all_of(known->layers, [&](const LayerClass& layer) {
    return layer.recurrent() ||
           (layer.query_heads == model.query_heads && layer.kv_heads == model.kv_heads &&
            layer.head_dim == model.head_dim);
  });
}

bool is_profiled_device(const Profile& profile, const std::string& name) {
  std::string device = lower(profile.design.device.name), wanted = lower(name);
  if (wanted == device) return true;
  // "NVIDIA A100-SXM4-80GB" is the built-in a100, "NVIDIA GeForce RTX 4090" rtx-4090.
  std::ranges::replace(device, '-', ' ');
  std::ranges::replace(wanted, '-', ' ');
  return find_gpu(name).has_value() &&
         (" " + device + " ").find(" " + wanted + " ") != std::string::npos;
}

}  // namespace scsim::cost_models
