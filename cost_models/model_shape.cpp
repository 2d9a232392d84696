// What follows from a model's shape: parameters, bytes per token and per sequence, what can be
// sharded how.
#include <algorithm>

#include "cost_models/layer_matrices.h"
#include "cost_models/shapes.h"
#include "traces/text.h"

namespace scsim::cost_models {
namespace {

constexpr double kRecurrentStateBits = 16;

double count_parameters(const ModelShape& model, bool active) {
  double total = static_cast<double>(model.hidden);  // the last norm
  const double table = static_cast<double>(model.vocabulary) * static_cast<double>(model.hidden);
  total += active || model.tied_embeddings ? table : 2 * table;
  for (const LayerClass& layer : model.layers) {
    double each = vector_parameters(model, layer, {});
    for (const Matrix& matrix : layer_matrices(model, layer, {})) {
      const bool routed = matrix.operand == Matrix::Operand::kRoutedToken;
      each += matrix.inputs * matrix.outputs *
              (active && routed ? static_cast<double>(layer.experts_per_token) : matrix.copies);
    }
    total += static_cast<double>(layer.count) * each;
  }
  return total;
}

// "tensor_parallel 4 does not divide the 9 attention heads of m; 1, 3, 9 do".
Error indivisible(const char* key, int gpus, std::int64_t count, const std::string& what,
                  const std::string& model) {
  std::string divisors;
  for (std::int64_t d = 1; d <= std::min<std::int64_t>(count, 64); ++d) {
    if (count % d == 0) divisors += (d > 1 ? ", " : "") + std::to_string(d);
  }
  return Error{std::string(key) + " " + std::to_string(gpus) + " does not divide the " +
               std::to_string(count) + " " + what + " of " + model + "; possible: " + divisors};
}

Expected<void> check_tensor(const ModelShape& model, const LayerClass& layer,
                            const Parallel& parallel) {
  const int tensor = parallel.tensor;
  const auto refuse = [&](std::int64_t count, const char* what) {
    return indivisible("tensor_parallel", tensor, count, what, model.name);
  };
  if (layer.recurrent()) {
    const bool heads = layer.state_heads > 0;
    const std::int64_t count = heads ? layer.state_heads : layer.inner_dim;
    if (count % tensor != 0) return refuse(count, heads ? "state heads" : "inner channels");
  } else {
    if (layer.query_heads % tensor != 0) return refuse(layer.query_heads, "attention heads");
    const bool latent = layer.mixer == LayerClass::Mixer::kLatentAttention;
    if (!latent && layer.kv_heads % tensor != 0 && tensor % layer.kv_heads != 0) {
      return refuse(layer.kv_heads, "key and value heads");
    }
  }
  const bool sliced = layer.experts == 0 || parallel.expert == 1;
  if (sliced && layer.intermediate % tensor != 0) {
    return refuse(layer.intermediate, "intermediate channels");
  }
  if (layer.shared_intermediate % tensor != 0) {
    return refuse(layer.shared_intermediate, "intermediate channels of shared experts");
  }
  return {};
}

}  // namespace

std::int64_t LayerClass::cache_elements() const {
  return static_cast<std::int64_t>(cache_elements_per_gpu(*this, {}));
}

std::int64_t LayerClass::state_elements() const { return inner_dim * state_dim; }

std::int64_t LayerClass::conv_channels() const {
  return inner_dim + (mixer == Mixer::kMamba2 ? 2 * state_groups * state_dim : 0);
}

std::int64_t LayerClass::conv_elements() const {
  return recurrent() ? conv_channels() * (conv_kernel - 1) : 0;
}

std::int64_t ModelShape::num_layers() const {
  std::int64_t count = 0;
  for (const LayerClass& layer : layers) count += layer.count;
  return count;
}

double ModelShape::parameters() const { return count_parameters(*this, false); }
double ModelShape::active_parameters() const { return count_parameters(*this, true); }

BytesPerToken ModelShape::cache_per_token(double bits_per_element) const {
  std::int64_t elements = 0;
  for (const LayerClass& layer : layers) {
    if (layer.window == 0) elements += layer.count * layer.cache_elements();
  }
  return BytesPerToken(static_cast<double>(elements) * bits_per_element / 8);
}

Bytes ModelShape::state_per_sequence(double bits_per_element) const {
  double bytes = 0;
  for (const LayerClass& layer : layers) {
    const std::int64_t window = layer.window * layer.cache_elements();
    const std::int64_t state = layer.state_elements() + layer.conv_elements();
    bytes += static_cast<double>(layer.count) *
             (static_cast<double>(window) * bits_per_element +
              static_cast<double>(state) * kRecurrentStateBits) /
             8;
  }
  return Bytes(bytes);
}

bool ModelShape::has_recurrent_layers() const {
  return std::ranges::any_of(layers, [](const LayerClass& layer) { return layer.recurrent(); });
}

Expected<void> check_parallel(const ModelShape& model, const Parallel& parallel) {
  if (parallel.tensor < 1 || parallel.pipeline < 1 || parallel.expert < 1) {
    return Error{"tensor_parallel, pipeline_parallel and expert_parallel must be at least 1"};
  }
  if (parallel.pipeline > model.num_layers()) {
    return Error{"pipeline_parallel " + std::to_string(parallel.pipeline) + " is more than the " +
                 std::to_string(model.num_layers()) + " layers of " + model.name};
  }
  for (const LayerClass& layer : model.layers) {
    if (Expected<void> fits = check_tensor(model, layer, parallel); !fits) return fits;
  }
  if (parallel.expert == 1) return {};
  std::int64_t experts = 0;
  for (const LayerClass& layer : model.layers) experts = std::max(experts, layer.experts);
  if (experts == 0) {
    return Error{"expert_parallel " + std::to_string(parallel.expert) + ": " + model.name +
                 " has no experts"};
  }
  if (parallel.expert % parallel.tensor != 0) {
    return Error{"expert_parallel " + std::to_string(parallel.expert) +
                 " is no multiple of tensor_parallel " + std::to_string(parallel.tensor)};
  }
  if (experts % parallel.expert != 0) {
    return indivisible("expert_parallel", parallel.expert, experts, "experts", model.name);
  }
  return {};
}

Expected<double> dtype_bits(const std::string& dtype) {
  static const std::vector<std::pair<std::string, double>> known = {
      {"bf16", 16}, {"fp16", 16}, {"fp8", 8}, {"int8", 8}, {"int4", 4}, {"mxfp4", 4.25}};
  std::vector<std::string> names;
  for (const auto& [name, bits] : known) {
    if (name == dtype) return bits;
    names.push_back(name);
  }
  return Error{unknown_name("dtype", dtype, names)};
}

Expected<Precision> make_precision(const std::string& weight_dtype,
                                   const std::string& cache_dtype) {
  const Expected<double> weight_bits = dtype_bits(weight_dtype);
  if (!weight_bits) return weight_bits.error();
  const Expected<double> cache_bits = dtype_bits(cache_dtype);
  if (!cache_bits) return cache_bits.error();
  return Precision{
      .weight_bits = *weight_bits, .cache_bits = *cache_bits, .fp8_compute = weight_dtype == "fp8"};
}

}  // namespace scsim::cost_models
