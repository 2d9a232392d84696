// How the memory of each GPU of an engine divides: weights, what the engine needs beside them,
// states that every sequence holds, and the rest in blocks of KV.
//
// With pipeline parallelism the plan is that of the fullest GPU: ceil(L/p) of the L layers (an
// equal share of each class) and one of the two vocabulary tables; blocks are as many as that GPU
// holds.
//
//   usable       what CUDA reports as total, times gpu_memory_utilization
//   weights      layer_matrices.h sharded over tensor and expert parallel GPUs; routers, MLA's
//                down-projections, norms and repeated key and value heads are on every GPU;
//                vocabulary tables are split over tensor parallel GPUs and kept, like routers and
//                norms, at 16 bits
//   activations  the larger of two peaks that do not coincide: the widest layer over
//                max_batched_tokens, and sampling over max_sequences
//   runtime      see kRuntime below
//   states       recurrent states and full sliding windows, reserved for max_sequences sequences
//                at once: they do not grow with a sequence, so there must be room before it starts
//   cache        the rest
#include <algorithm>

#include "cost_models/layer_matrices.h"
#include "cost_models/shapes.h"
#include "traces/text.h"

namespace scsim::cost_models {
namespace {

constexpr double kGiB = 1024.0 * 1024 * 1024;
constexpr double kActivationBytes = 2;
// Sampling with top-k and top-p sorts: per logit 16 and 32 bits, then in 32 bits the sorted values,
// probabilities and their sums, and 64-bit indices.
constexpr double kSamplingBytesPerLogit = 26;
// Memory outside the allocator (CUDA context, kernels, NCCL's buffers): vLLM's logs say 0.05 to
// 0.35 GiB of non-torch memory on single GPUs, 1.07 GiB on each of 16 that serve DeepSeek-V2.5.
// CUDA graphs are captured after the KV cache is sized, in what utilization leaves over.
constexpr double kRuntime = 0.2 * kGiB, kRuntimeOfGroup = 1.1 * kGiB;

std::string gib(double bytes) { return format_fixed(bytes / kGiB, 1) + " GiB"; }

// The part of the layers that the fullest pipeline stage holds.
double stage_share(const ModelShape& model, const Parallel& parallel) {
  const std::int64_t layers = model.num_layers();
  const std::int64_t stage = (layers + parallel.pipeline - 1) / parallel.pipeline;
  return static_cast<double>(stage) / static_cast<double>(layers);
}

double weight_bytes(const ModelShape& model, const Parallel& parallel, double weight_bits) {
  double layers = 0;
  for (const LayerClass& layer : model.layers) {
    double each = vector_parameters(model, layer, parallel) * 2;
    for (const Matrix& matrix : layer_matrices(model, layer, parallel)) {
      each += matrix.parameters() * (matrix.quantised ? weight_bits : 16) / 8;
    }
    layers += static_cast<double>(layer.count) * each;
  }
  const auto hidden = static_cast<double>(model.hidden);
  const double tables = model.tied_embeddings || parallel.pipeline > 1 ? 1 : 2;
  const double table = static_cast<double>(model.vocabulary) * hidden / parallel.tensor * 2;
  return stage_share(model, parallel) * layers + tables * table + hidden * 2;
}

// Elements per token that live at the widest point of a layer: residual, input and output of the
// mixer, and the widest operation. vLLM's profiles of Llama-3.1-8B peak at 2.07 and 2.99 GiB beside
// the weights with 20,000 and 29,000 tokens (vllm-project/vllm issue 10517): 110.7 KB a token,
// where this says 110.6.
double widest_layer(const ModelShape& model, const Parallel& parallel) {
  const auto hidden = static_cast<double>(model.hidden);
  double widest = 0;
  for (const LayerClass& layer : model.layers) {
    const bool whole_experts = parallel.expert > 1;
    const auto k = static_cast<double>(layer.experts_per_token);
    for (const Matrix& matrix : layer_matrices(model, layer, parallel)) {
      // An up-projection's output lives together with the activation made of it.
      const double width = matrix.outputs * (matrix.outputs > hidden ? 1.5 : 1.0);
      const bool routed = matrix.operand == Matrix::Operand::kRoutedToken;
      widest = std::max(widest, width * (routed ? k / (whole_experts ? parallel.tensor : 1) : 1));
    }
  }
  return 3 * hidden + widest;
}

struct States {
  double recurrent = 0, windows = 0;  // bytes of one sequence on the fullest GPU
  double total() const { return recurrent + windows; }
};

States states_per_sequence(const ModelShape& model, const Parallel& parallel, double cache_bits) {
  States states;
  for (const LayerClass& layer : model.layers) {
    const auto count = static_cast<double>(layer.count) * stage_share(model, parallel);
    states.recurrent += count *
                        static_cast<double>(layer.state_elements() + layer.conv_elements()) /
                        parallel.tensor * 2;
    states.windows += count * static_cast<double>(layer.window) *
                      cache_elements_per_gpu(layer, parallel) * cache_bits / 8;
  }
  return states;
}

double cache_bytes_per_token(const ModelShape& model, const Parallel& parallel, double cache_bits) {
  double elements = 0;
  for (const LayerClass& layer : model.layers) {
    if (layer.window == 0) {
      elements += static_cast<double>(layer.count) * cache_elements_per_gpu(layer, parallel);
    }
  }
  return elements * stage_share(model, parallel) * cache_bits / 8;
}

Error weights_do_not_fit(const ModelShape& model, const GpuShape& gpu, const Parallel& parallel,
                         const Precision& precision, double needed, const MemoryPlan& plan) {
  std::string message =
      model.name + " does not fit on " + gpu.name + ": " + gib(plan.weights.value()) +
      " of weights and " + gib(needed - plan.weights.value()) +
      " of activations and runtime per GPU, " + gib(needed - plan.usable.value()) +
      " more than the usable " + gib(plan.usable.value());
  const double room = plan.usable.value() - (needed - plan.weights.value());
  std::string ways;
  for (int factor = 2; factor <= 64; factor *= 2) {
    Parallel wider = parallel;
    wider.tensor *= factor;
    if (wider.expert > 1) wider.expert = std::max(wider.expert, wider.tensor);
    if (!check_parallel(model, wider)) break;
    if (weight_bytes(model, wider, precision.weight_bits) < room) {
      ways = "tensor_parallel " + std::to_string(wider.tensor);
      break;
    }
  }
  if (precision.weight_bits > 8 && weight_bytes(model, parallel, 8) < room) {
    ways += (ways.empty() ? "" : " or ") + std::string("weight_dtype fp8");
  }
  if (!ways.empty()) message += "; it would with " + ways;
  return Error{message};
}

}  // namespace

Expected<MemoryPlan> plan_memory(const ModelShape& model, const GpuShape& gpu,
                                 const Parallel& parallel, const Precision& precision,
                                 double gpu_memory_utilization, std::int64_t max_batched_tokens,
                                 std::int64_t max_sequences, std::int64_t block_tokens) {
  if (Expected<void> fits = check_parallel(model, parallel); !fits) return fits.error();
  const auto sequences = static_cast<double>(max_sequences);
  const double sampling =
      sequences * static_cast<double>(model.vocabulary) * kSamplingBytesPerLogit;
  const double widest = static_cast<double>(max_batched_tokens) * widest_layer(model, parallel);
  const States states = states_per_sequence(model, parallel, precision.cache_bits);
  const bool group = parallel.tensor * parallel.pipeline > 1 || parallel.expert > 1;

  MemoryPlan plan;
  plan.usable = gpu.usable_memory * gpu_memory_utilization;
  plan.weights = Bytes(weight_bytes(model, parallel, precision.weight_bits));
  plan.activations = Bytes(std::max(widest * kActivationBytes, sampling));
  plan.runtime = Bytes(group ? kRuntimeOfGroup : kRuntime);
  plan.states = Bytes(sequences * states.total());

  const Bytes needed = plan.weights + plan.activations + plan.runtime;
  if (needed >= plan.usable) {
    return weights_do_not_fit(model, gpu, parallel, precision, needed.value(), plan);
  }
  const Bytes room = plan.usable - needed;
  plan.cache = room - plan.states;
  const double block = cache_bytes_per_token(model, parallel, precision.cache_bits) *
                       static_cast<double>(block_tokens);
  if (plan.cache.value() <= block) {
    return Error{"max_sequences " + std::to_string(max_sequences) + ": " +
                 (states.recurrent > 0 ? "recurrent states" : "sliding windows") + " of " +
                 model.name + " take " + gib(plan.states.value()) + " of the " + gib(room.value()) +
                 " left on " + gpu.name + " beside its weights; at most " +
                 std::to_string(static_cast<std::int64_t>(room.value() / states.total())) +
                 " sequences fit"};
  }
  if (block > 0) {
    plan.num_blocks = static_cast<std::int64_t>(plan.cache.value() / block);
  } else {
    // Nothing grows with the context: enough blocks that counting tokens never limits admission.
    const std::int64_t longest = (model.max_context + block_tokens - 1) / block_tokens;
    plan.num_blocks = max_sequences * longest;
  }
  return plan;
}

}  // namespace scsim::cost_models
