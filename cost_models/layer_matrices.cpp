#include "cost_models/layer_matrices.h"

#include <algorithm>

namespace scsim::cost_models {
namespace {

double per_gpu(std::int64_t whole, int gpus) { return static_cast<double>(whole) / gpus; }

// Things of which each GPU needs at least one whole: key and value heads, state groups.
double at_least_one(std::int64_t whole, int gpus) { return std::max(1.0, per_gpu(whole, gpus)); }

void add_mixer(std::vector<Matrix>& matrices, double hidden, const LayerClass& layer, int tensor) {
  const double heads = per_gpu(layer.query_heads, tensor);
  const double inner = per_gpu(layer.inner_dim, tensor);
  const auto state = static_cast<double>(layer.state_dim);
  const auto head_dim = static_cast<double>(layer.head_dim);
  const auto value_dim = static_cast<double>(layer.value_dim());
  switch (layer.mixer) {
    case LayerClass::Mixer::kAttention:
    case LayerClass::Mixer::kSlidingWindow: {
      const double kv_heads = at_least_one(layer.kv_heads, tensor);
      matrices.push_back({.name = "query, key, value",
                          .inputs = hidden,
                          .outputs = heads * head_dim + kv_heads * (head_dim + value_dim)});
      matrices.push_back({.name = "output", .inputs = heads * value_dim, .outputs = hidden});
      break;
    }
    case LayerClass::Mixer::kLatentAttention: {
      const auto rope = static_cast<double>(layer.rope_dim);
      const double rank = static_cast<double>(layer.latent_dim) - rope;
      if (layer.query_rank > 0) {
        const auto query_rank = static_cast<double>(layer.query_rank);
        matrices.push_back({.name = "query down", .inputs = hidden, .outputs = query_rank});
        matrices.push_back({.name = "query up", .inputs = query_rank, .outputs = heads * head_dim});
      } else {
        matrices.push_back({.name = "query", .inputs = hidden, .outputs = heads * head_dim});
      }
      matrices.push_back({.name = "latent down", .inputs = hidden, .outputs = rank + rope});
      matrices.push_back({.name = "latent up",
                          .inputs = rank,
                          .outputs = heads * (head_dim - rope + value_dim),
                          .operand = Matrix::Operand::kCachedToken});
      matrices.push_back({.name = "output", .inputs = heads * value_dim, .outputs = hidden});
      break;
    }
    case LayerClass::Mixer::kMamba1: {
      const auto dt_rank = static_cast<double>(layer.dt_rank);
      matrices.push_back({.name = "in", .inputs = hidden, .outputs = 2 * inner});
      matrices.push_back({.name = "x", .inputs = inner, .outputs = dt_rank + 2 * state});
      matrices.push_back({.name = "dt", .inputs = dt_rank, .outputs = inner});
      matrices.push_back({.name = "out", .inputs = inner, .outputs = hidden});
      break;
    }
    case LayerClass::Mixer::kMamba2: {
      const double groups = at_least_one(layer.state_groups, tensor);
      const double outputs = 2 * inner + 2 * groups * state + per_gpu(layer.state_heads, tensor);
      matrices.push_back({.name = "in", .inputs = hidden, .outputs = outputs});
      matrices.push_back({.name = "out", .inputs = inner, .outputs = hidden});
      break;
    }
  }
}

// Gate and up are one matrix, as engines fuse them.
void add_mlp(std::vector<Matrix>& matrices, double hidden, const LayerClass& layer,
             const Parallel& parallel) {
  const double ups = layer.mlp_matrices - 1;
  const auto add_pair = [&](std::string_view up, std::string_view down, double width,
                            const Matrix& like) {
    Matrix matrix = like;
    matrix.name = up, matrix.inputs = hidden, matrix.outputs = ups * width;
    matrices.push_back(matrix);
    matrix.name = down, matrix.inputs = width, matrix.outputs = hidden;
    matrices.push_back(matrix);
  };
  if (layer.experts == 0) {
    if (layer.intermediate > 0) {
      add_pair("gate, up", "down", per_gpu(layer.intermediate, parallel.tensor), {});
    }
    return;
  }
  matrices.push_back({.name = "router",
                      .inputs = hidden,
                      .outputs = static_cast<double>(layer.experts),
                      .quantised = false});
  const bool whole_experts = parallel.expert > 1;
  add_pair("expert gate, up", "expert down",
           per_gpu(layer.intermediate, whole_experts ? 1 : parallel.tensor),
           {.operand = Matrix::Operand::kRoutedToken,
            .copies = per_gpu(layer.experts, whole_experts ? parallel.expert : 1)});
  if (layer.shared_intermediate > 0) {
    add_pair("shared gate, up", "shared down", per_gpu(layer.shared_intermediate, parallel.tensor),
             {});
  }
}

}  // namespace

std::vector<Matrix> layer_matrices(const ModelShape& model, const LayerClass& layer,
                                   const Parallel& parallel) {
  std::vector<Matrix> matrices;
  const auto hidden = static_cast<double>(model.hidden);
  add_mixer(matrices, hidden, layer, parallel.tensor);
  add_mlp(matrices, hidden, layer, parallel);
  if (model.only_experts_quantised) {
    for (Matrix& matrix : matrices) {
      if (matrix.operand != Matrix::Operand::kRoutedToken) matrix.quantised = false;
    }
  }
  return matrices;
}

double vector_parameters(const ModelShape& model, const LayerClass& layer,
                         const Parallel& parallel) {
  const bool has_mlp = layer.intermediate > 0;
  double count = static_cast<double>(model.hidden) * (has_mlp ? 2 : 1);
  const double inner = per_gpu(layer.inner_dim, parallel.tensor);
  const auto state = static_cast<double>(layer.state_dim);
  const auto kernel = static_cast<double>(layer.conv_kernel);
  switch (layer.mixer) {
    case LayerClass::Mixer::kAttention:
    case LayerClass::Mixer::kSlidingWindow:
      break;
    case LayerClass::Mixer::kLatentAttention:
      count += static_cast<double>(layer.query_rank + layer.latent_dim - layer.rope_dim);
      break;
    case LayerClass::Mixer::kMamba1:  // convolution and bias; decay, skip and dt bias; three norms
      count += inner * (kernel + 1) + inner * (state + 2);
      count += static_cast<double>(layer.dt_rank) + 2 * state;
      break;
    case LayerClass::Mixer::kMamba2: {  // convolution and bias; decay, skip and dt bias; a norm
      const double groups = at_least_one(layer.state_groups, parallel.tensor);
      count += (inner + 2 * groups * state) * (kernel + 1);
      count += 3 * per_gpu(layer.state_heads, parallel.tensor) + inner;
      break;
    }
  }
  return count;
}

double cache_elements_per_gpu(const LayerClass& layer, const Parallel& parallel) {
  switch (layer.mixer) {
    case LayerClass::Mixer::kAttention:
    case LayerClass::Mixer::kSlidingWindow:
      return at_least_one(layer.kv_heads, parallel.tensor) *
             static_cast<double>(layer.head_dim + layer.value_dim());
    case LayerClass::Mixer::kLatentAttention:
      return static_cast<double>(layer.latent_dim);  // every GPU has all of it
    case LayerClass::Mixer::kMamba1:
    case LayerClass::Mixer::kMamba2:
      return 0;
  }
  return 0;
}

}  // namespace scsim::cost_models
