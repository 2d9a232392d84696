#include "cost_models/step_operations.h"

#include <algorithm>

#include "cost_models/layer_matrices.h"
#include "traces/math.h"

namespace scsim::cost_models {
namespace {

constexpr double kActivationBytes = 2, kLogitBytes = 4, kStateBytes = 2;

class Builder {
 public:
  Builder(const ModelShape& model, const Parallel& parallel, const Precision& precision)
      : model_(model),
        parallel_(parallel),
        precision_(precision),
        hidden_(static_cast<double>(model.hidden)),
        tensor_(parallel.tensor) {}

  StepOperations build() &&;

 private:
  Operation gemm(const Matrix& matrix) const;
  void add_matrices(const LayerClass& layer);
  void add_memory_passes(const LayerClass& layer);
  void add_attention(const LayerClass& layer);
  void add_recurrent(const LayerClass& layer);
  void add_transfers(const LayerClass& layer);
  void add_once_a_step();

  // (token, expert) pairs on this GPU per token of the engine. Whole experts: the group's expert /
  // tensor engines bring as many tokens each, and its `expert` GPUs get equal parts of their pairs.
  double pairs_per_token(const LayerClass& layer) const {
    return static_cast<double>(layer.experts_per_token) / (parallel_.expert > 1 ? tensor_ : 1);
  }
  double per_gpu(std::int64_t whole) const { return static_cast<double>(whole) / tensor_; }
  // What each GPU sends in an all-reduce of one activation vector.
  double all_reduce_bytes() const {
    return 2 * (tensor_ - 1) / tensor_ * hidden_ * kActivationBytes;
  }

  const ModelShape& model_;
  const Parallel& parallel_;
  const Precision& precision_;
  double hidden_, tensor_;
  StepOperations result_;
};

StepOperations Builder::build() && {
  for (const LayerClass& layer : model_.layers) {
    add_matrices(layer);
    add_memory_passes(layer);
    if (layer.recurrent()) {
      add_recurrent(layer);
    } else {
      add_attention(layer);
    }
    add_transfers(layer);
  }
  add_once_a_step();
  return std::move(result_);
}

Operation Builder::gemm(const Matrix& matrix) const {
  const double bits = matrix.quantised ? precision_.weight_bits : 16;
  return {.flops = 2 * matrix.inputs * matrix.outputs,
          .bytes = (matrix.inputs + matrix.outputs) * kActivationBytes,
          .weight_bytes = matrix.inputs * matrix.outputs * bits / 8,
          .fp8 = matrix.quantised && precision_.fp8_compute};
}

void Builder::add_matrices(const LayerClass& layer) {
  Experts experts;
  for (const Matrix& matrix : layer_matrices(model_, layer, parallel_)) {
    Operation operation = gemm(matrix);
    operation.count = static_cast<double>(layer.count);
    switch (matrix.operand) {
      case Matrix::Operand::kToken:
        result_.per_token.push_back(operation);
        break;
      case Matrix::Operand::kCachedToken:
        result_.per_cached_token.push_back(operation);
        break;
      case Matrix::Operand::kRoutedToken:
        operation.flops *= pairs_per_token(layer), operation.bytes *= pairs_per_token(layer);
        experts.here = matrix.copies;
        experts.operations.push_back(operation);
        break;
    }
  }
  if (layer.experts == 0) return;
  const double hit =
      static_cast<double>(layer.experts_per_token) / static_cast<double>(layer.experts);
  experts.all = hit >= 1;
  if (!experts.all) experts.log_miss = stable_log(1 - hit);
  experts.tokens = std::max(1.0, parallel_.expert / tensor_);
  result_.experts.push_back(std::move(experts));
}

// What the kernels between the GEMMs of a layer read and write, per token.
void Builder::add_memory_passes(const LayerClass& layer) {
  // A norm adds the residual: both are read and written.
  double elements = 4 * hidden_ * (layer.intermediate > 0 ? 2 : 1);
  if (layer.recurrent()) {
    // The convolution reads and writes its channels; the scan reads them and its gate and writes
    // its output; the gated norm reads and writes that.
    elements += 3 * per_gpu(layer.conv_channels()) + 4 * per_gpu(layer.inner_dim);
  } else {
    // Rotary embedding reads and writes queries and keys; attention reads queries and writes its
    // output.
    elements += 3 * per_gpu(layer.query_heads * layer.head_dim);
    elements += per_gpu(layer.query_heads * layer.value_dim());
    elements += 2 * cache_elements_per_gpu(layer, parallel_);
  }
  const double widths = layer.mlp_matrices;  // gated: two are read and one is written
  if (layer.experts == 0) {
    elements += widths * per_gpu(layer.intermediate);
  } else {
    const auto k = static_cast<double>(layer.experts_per_token);
    elements += widths * k * per_gpu(layer.intermediate);
    elements += widths * per_gpu(layer.shared_intermediate);
    elements += (pairs_per_token(layer) + 1) * hidden_;  // sum over a token's experts
  }
  const double cache_written = cache_elements_per_gpu(layer, parallel_) * precision_.cache_bits / 8;
  result_.per_token.push_back({.count = static_cast<double>(layer.count),
                               .bytes = elements * kActivationBytes + cache_written});
}

void Builder::add_attention(const LayerClass& layer) {
  const double heads = per_gpu(layer.query_heads);
  Attention attention;
  attention.count = static_cast<double>(layer.count);
  attention.pair_flops = 2 * heads * static_cast<double>(layer.head_dim + layer.value_dim());
  attention.decode_flops = attention.pair_flops;
  if (layer.mixer == LayerClass::Mixer::kLatentAttention) {
    attention.decode_flops = 2 * heads * static_cast<double>(2 * layer.latent_dim - layer.rope_dim);
  }
  attention.cache_bytes = cache_elements_per_gpu(layer, parallel_) * precision_.cache_bits / 8;
  if (layer.window > 0) {
    std::vector<std::int64_t>& windows = result_.windows;
    auto known = std::ranges::find(windows, layer.window);
    if (known == windows.end()) known = windows.insert(known, layer.window);
    attention.window = static_cast<int>(known - windows.begin());
  }
  result_.attention.push_back(attention);
}

void Builder::add_recurrent(const LayerClass& layer) {
  Recurrent recurrent;
  recurrent.count = static_cast<double>(layer.count);
  recurrent.state_bytes = per_gpu(layer.state_elements() + layer.conv_elements()) * kStateBytes;
  if (layer.mixer == LayerClass::Mixer::kMamba2) {
    // A token's products with the others of its chunk (C B^T per group, times X per channel); then
    // its part in the chunk's state, and the state's in its output.
    const double inner = per_gpu(layer.inner_dim);
    const auto state = static_cast<double>(layer.state_dim);
    const double groups = std::max(1.0, per_gpu(layer.state_groups));
    recurrent.scan_flops =
        2 * static_cast<double>(layer.chunk) * (groups * state + inner) + 4 * inner * state;
  }
  result_.recurrent.push_back(recurrent);
}

void Builder::add_transfers(const LayerClass& layer) {
  Transfer& transfer = result_.layer_transfer;
  const auto count = static_cast<double>(layer.count);
  if (parallel_.tensor > 1) {
    const double reduces = count * (layer.intermediate > 0 ? 2 : 1);
    transfer.exchanges += 2 * reduces;
    transfer.bytes += reduces * all_reduce_bytes();
  }
  if (layer.experts > 0 && parallel_.expert > parallel_.tensor) {
    // That none of a token's k distinct experts is among the E/expert of a given GPU.
    const double expert = parallel_.expert;
    const auto all = static_cast<double>(layer.experts);
    double miss = 1;
    for (std::int64_t i = 0; i < layer.experts_per_token; ++i) {
      const auto drawn = static_cast<double>(i);
      miss *= std::max(0.0, all - all / expert - drawn) / (all - drawn);
    }
    transfer.exchanges += 2 * count;
    transfer.bytes += count * 2 * (expert - 1) * (1 - miss) * hidden_ * kActivationBytes / tensor_;
  }
}

void Builder::add_once_a_step() {
  const double columns = per_gpu(model_.vocabulary);
  result_.logits = gemm({.inputs = hidden_, .outputs = columns, .quantised = false});
  result_.logits.bytes += columns * (2 * kLogitBytes - kActivationBytes);  // written, then sampled
  result_.embedding.bytes = 2 * hidden_ * kActivationBytes;
  if (parallel_.tensor > 1) {  // the embedding is reduced, the logits are gathered
    result_.step_transfer.exchanges += 2;
    result_.step_transfer.bytes += all_reduce_bytes();
    result_.logits_transfer = {.exchanges = 1, .bytes = columns * (tensor_ - 1) * kActivationBytes};
  }
  if (parallel_.pipeline > 1) {  // activations and residual go to the next stage
    const double sends = parallel_.pipeline - 1;
    result_.step_transfer.exchanges += sends;
    result_.step_transfer.bytes += sends * 2 * hidden_ * kActivationBytes;
  }
}

}  // namespace

double Experts::touched(double n) const {
  return all ? here : here * (1 - stable_exp(n * tokens * log_miss));
}

StepOperations step_operations(const ModelShape& model, const Parallel& parallel,
                               const Precision& precision) {
  return Builder(model, parallel, precision).build();
}

}  // namespace scsim::cost_models
