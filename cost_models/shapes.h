// Hardware and model shapes: published facts, each with its source, and what follows from them.
//
//   auto gpu = find_gpu("h200");
//   auto model = find_model("llama-3.1-8b");           // or a path to a config.json
//   auto plan = plan_memory(*model, *gpu, parallel, precision, ...);
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "traces/expected.h"
#include "traces/quantity.h"

namespace scsim::cost_models {

struct GpuShape {
  std::string name, full_name, source;
  Bytes memory;         // as marketed
  Bytes usable_memory;  // what the CUDA runtime reports as total
  BytesPerSecond memory_bandwidth;
  FlopsPerSecond bf16, fp8;       // dense tensor-core peak; fp8 = bf16 where there is none
  BytesPerSecond link_bandwidth;  // to the other GPUs of the node, per direction and GPU
  Seconds link_latency;           // of one small exchange between the GPUs of a node
  BytesPerSecond host_bandwidth;  // PCIe or C2C, per direction
  double idle_watts = 0, peak_watts = 0;
  double host_watts = 0;  // its part of a node without GPUs, at most
};

// Like layers of a model, wherever they stand in it: a mixer (attention or a state-space layer),
// then an mlp. All counts are of the whole model; sharding is in cost_models/layer_matrices.h.
struct LayerClass {
  enum class Mixer { kAttention, kSlidingWindow, kLatentAttention, kMamba1, kMamba2 };
  Mixer mixer = Mixer::kAttention;
  std::int64_t count = 0;
  // attention
  std::int64_t query_heads = 0, kv_heads = 0, head_dim = 0;
  std::int64_t value_head_dim = 0;  // 0: as head_dim
  std::int64_t window = 0;          // sliding windows: tokens, the query's own included
  std::int64_t latent_dim = 0;      // MLA: compressed KV elements per token (rank + rope part)
  std::int64_t rope_dim = 0;        // MLA: the rope part of latent_dim, and of head_dim
  std::int64_t query_rank = 0;      // MLA: rank of the query projection, 0: none
  // mamba
  std::int64_t inner_dim = 0, state_dim = 0;       // state elements = inner_dim * state_dim
  std::int64_t conv_kernel = 0;                    // width of the causal convolution
  std::int64_t state_heads = 0, state_groups = 0;  // Mamba-2
  std::int64_t chunk = 0;                          // Mamba-2: tokens of a chunk of its scan
  std::int64_t dt_rank = 0;                        // Mamba-1
  // mlp; experts == 0: dense. A pure Mamba model's layers have no mlp: intermediate == 0.
  std::int64_t intermediate = 0;  // of the dense mlp, or of one expert
  std::int64_t experts = 0, experts_per_token = 0;
  std::int64_t shared_intermediate = 0;  // of the shared experts together
  int mlp_matrices = 3;                  // 3: gated, 2: plain

  bool recurrent() const { return mixer == Mixer::kMamba1 || mixer == Mixer::kMamba2; }
  std::int64_t value_dim() const { return value_head_dim > 0 ? value_head_dim : head_dim; }
  // Elements that one token adds to the cache of one layer; recurrent layers: 0.
  std::int64_t cache_elements() const;
  // Elements of one sequence's recurrent state in one layer: the scan's and the convolution's.
  std::int64_t state_elements() const, conv_elements() const;
  std::int64_t conv_channels() const;
  bool operator==(const LayerClass&) const = default;
};

struct ModelShape {
  std::string name, source;
  std::int64_t hidden = 0, vocabulary = 0, max_context = 0;
  bool tied_embeddings = false;
  std::vector<LayerClass> layers;
  std::string default_weight_dtype = "bf16";
  // Quantised checkpoints keep attention and dense layers in 16 bits (gpt-oss: mxfp4 experts only).
  bool only_experts_quantised = false;

  std::int64_t num_layers() const;
  double parameters()
      const;  // all weights: matrices, norms, convolutions; biases (< 0.1 %) left out
  // Weights that one token is multiplied with: of the experts only those it goes to, and no
  // embedding table, which is looked up.
  double active_parameters() const;
  // KV bytes of one token over all layers that keep every token (windows apart).
  BytesPerToken cache_per_token(double bits_per_element) const;
  // What one sequence holds besides, whatever its length: recurrent states, kept at 16 bits
  // whatever the cache's precision is (vLLM's mamba_cache_dtype "auto"), and sliding windows once
  // full.
  Bytes state_per_sequence(double bits_per_element) const;
  bool has_recurrent_layers() const;

  bool operator==(const ModelShape&) const = default;
};

struct Parallel {
  int tensor = 1, pipeline = 1;
  int expert = 1;  // 1: experts are sliced like other matrices; else GPUs that share whole experts
};
// An engine has tensor * pipeline GPUs. An expert group larger than `tensor` spans several engines,
// each of which brings as many tokens. The error says what does not divide what.
Expected<void> check_parallel(const ModelShape& model, const Parallel& parallel);

struct Precision {
  double weight_bits = 16, cache_bits = 16;
  bool fp8_compute = false;  // GEMMs at the fp8 rate
};
// "bf16" -> 16, ...; mxfp4 is 4.25 with its scales.
Expected<double> dtype_bits(const std::string& dtype);
// GEMMs run at the fp8 rate with fp8 weights; all other quantised weights are widened to bf16.
Expected<Precision> make_precision(const std::string& weight_dtype, const std::string& cache_dtype);

struct MemoryPlan {
  Bytes usable, weights, activations, runtime, states;  // per GPU
  Bytes cache;                                          // per GPU, what is left for KV blocks
  std::int64_t num_blocks = 0;                          // per engine
};

const std::vector<GpuShape>& gpu_table();
const std::vector<ModelShape>& model_table();
Expected<GpuShape> find_gpu(const std::string& name);      // unknown: names the nearest
Expected<ModelShape> find_model(const std::string& name);  // a table name, or a path to config.json
Expected<ModelShape> model_from_config(const std::string& config_json_path);
// The same from the file's text; `path` is what messages call it.
Expected<ModelShape> model_from_config_text(const std::string& text, const std::string& path);

// One line each for `scsim help gpus` and `scsim help models`: name, key figures, source.
std::string describe(const GpuShape& gpu);
std::string describe(const ModelShape& model);

// How an engine's GPU memory divides. The error says by how much the weights do not fit.
Expected<MemoryPlan> plan_memory(const ModelShape& model, const GpuShape& gpu,
                                 const Parallel& parallel, const Precision& precision,
                                 double gpu_memory_utilization, std::int64_t max_batched_tokens,
                                 std::int64_t max_sequences, std::int64_t block_tokens);

}  // namespace scsim::cost_models
