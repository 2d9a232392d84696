// Hardware and model shapes: published facts, each with its source, and what follows from them.
//
//   auto gpu = find_gpu("h200");
//   auto model = find_model("llama-3.1-8b");           // or model_from_config("path/config.json")
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
  Bytes memory;
  BytesPerSecond memory_bandwidth;
  FlopsPerSecond bf16, fp8;                // dense tensor-core peak; fp8 = bf16 where there is none
  BytesPerSecond link_bandwidth;           // to the other GPUs of the node, per direction and GPU
  Seconds link_latency;                    // of one small all-reduce step between two GPUs
  BytesPerSecond host_bandwidth;           // PCIe or C2C, per direction
  double idle_watts = 0, peak_watts = 0;
};

// A run of like layers.
struct LayerClass {
  enum class Mixer { kAttention, kSlidingWindow, kLatentAttention, kMamba } mixer = Mixer::kAttention;
  std::int64_t count = 0;
  // attention
  std::int64_t query_heads = 0, kv_heads = 0, head_dim = 0;
  std::int64_t value_head_dim = 0;         // 0: as head_dim
  std::int64_t window = 0;                 // sliding windows
  std::int64_t latent_dim = 0;             // MLA: compressed KV elements per token (rank + rope part)
  std::int64_t query_rank = 0;             // MLA: rank of the query projection, 0: none
  // mamba
  std::int64_t state_elements = 0;         // per sequence and layer: ssm state
  std::int64_t conv_elements = 0;          // per sequence and layer: convolution state
  std::int64_t inner_dim = 0, state_dim = 0;
  // mlp; experts == 0: dense. A Mamba layer of a pure Mamba model has intermediate == 0.
  std::int64_t intermediate = 0;           // of the dense mlp, or of one expert
  std::int64_t experts = 0, experts_per_token = 0;
  std::int64_t shared_intermediate = 0;    // of the shared experts together
  int mlp_matrices = 3;                    // 3: gated, 2: plain
};

struct ModelShape {
  std::string name, source;
  std::int64_t hidden = 0, vocabulary = 0, max_context = 0;
  bool tied_embeddings = false;
  std::vector<LayerClass> layers;
  std::string default_weight_dtype = "bf16";

  double parameters() const;                 // all weights
  double active_parameters() const;          // that one token uses
  // KV bytes of one token over all layers that keep every token (windows apart).
  BytesPerToken cache_per_token(double bits_per_element) const;
  Bytes state_per_sequence(double bits_per_element) const;   // recurrent layers, and windows once full
  bool has_recurrent_layers() const;
};

struct Parallel {
  int tensor = 1, pipeline = 1, expert = 1;
};

struct Precision {
  double weight_bits = 16, cache_bits = 16;
  bool fp8_compute = false;                  // GEMMs at the fp8 rate
};
// "bf16" -> 16, ...; mxfp4 is 4.25 with its scales.
Expected<double> dtype_bits(const std::string& dtype);

struct MemoryPlan {
  Bytes usable, weights, activations, runtime, states;  // per GPU
  Bytes cache;                                          // per GPU, what is left for KV blocks
  std::int64_t num_blocks = 0;                          // per engine
};

const std::vector<GpuShape>& gpu_table();
const std::vector<ModelShape>& model_table();
Expected<GpuShape> find_gpu(const std::string& name);          // unknown: names the nearest
Expected<ModelShape> find_model(const std::string& name);      // a table name, or a path to config.json
Expected<ModelShape> model_from_config(const std::string& config_json_path);

// How an engine's GPU memory divides. The error says by how much the weights do not fit.
Expected<MemoryPlan> plan_memory(const ModelShape& model, const GpuShape& gpu, const Parallel& parallel,
                                 const Precision& precision, double gpu_memory_utilization,
                                 std::int64_t max_batched_tokens, std::int64_t max_sequences,
                                 std::int64_t block_tokens);

}  // namespace scsim::cost_models
