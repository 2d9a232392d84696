// What a checkpoint says of its network: one plain struct for every family the runtime knows, so
// that a family is a configuration and not a copy of the runtime.
//
//   auto checkpoint = Checkpoint::open("SmolLM2-135M-Instruct.Q4_1.gguf");   // or a folder
//   const ModelConfig& config = checkpoint->config();
//   config.attention.kv_heads;
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

namespace scsim::exec {

// Rotary position embedding. Frequencies before scaling: theta^(-2i / rotary_dim).
struct RopeConfig {
  enum class Scaling : std::uint8_t { kNone, kLinear, kLlama3, kYarn };
  double theta = 10000;
  // Of each head; the rest of the head is left as it is (GLM-4: half). 0: no embedding (Jamba).
  std::int64_t rotary_dim = 0;
  // Pairs (2i, 2i+1) are rotated together (GLM-4) instead of (i, i + rotary_dim/2) (Llama).
  bool interleaved = false;
  Scaling scaling = Scaling::kNone;
  double factor = 1;
  double original_max_positions = 0;                 // llama3, yarn
  double low_freq_factor = 1, high_freq_factor = 4;  // llama3
  double beta_fast = 32, beta_slow = 1;              // yarn
  std::optional<double> attention_factor;            // yarn; absent: 0.1 ln(factor) + 1
  // What each frequency is divided by, besides; empty: 1. GGUF files have llama3's scaling so.
  std::vector<float> divisors;
};

struct AttentionConfig {
  std::int64_t query_heads = 0, kv_heads = 0, head_dim = 0;
  bool qkv_bias = false;            // Qwen2, GLM-4
  bool output_bias = false;         // Llama with attention_bias
  bool qk_norm = false;             // Qwen3: RMSNorm over each head of q and k before RoPE
  std::int64_t sliding_window = 0;  // 0: none. In tokens, the query's own included
};

// Recurrent layers: a causal convolution and a state space scan in place of attention, gated.
struct MambaConfig {
  std::int64_t version = 0;  // 1: Mamba, 2: Mamba-2; 0: there are no such layers
  std::int64_t inner = 0;    // channels of the scan
  std::int64_t state = 0;    // numbers kept for each of them
  std::int64_t conv_kernel = 0;
  bool conv_bias = true;
  bool bias = false;  // of the projections in and out
  // Mamba: the channels' time steps go through so many numbers; Jamba has norms on these, on b and
  // on c.
  std::int64_t time_step_rank = 0;
  bool inner_norms = false;
  // Mamba-2: heads * head_dim channels; each group of heads has its b and c, and its part of the
  // gated norm.
  std::int64_t heads = 0, head_dim = 0, groups = 0;
  double time_step_min = 0, time_step_max = std::numeric_limits<double>::infinity();

  std::int64_t conv_channels() const { return version == 2 ? inner + 2 * groups * state : inner; }
  std::int64_t projected() const {  // channels that come out of the projection in
    return version == 2 ? inner + conv_channels() + heads : 2 * inner;
  }
  // Of one layer of one sequence, whatever its length: inputs of the convolution and the scan's.
  std::int64_t state_bytes() const {
    return 4 * ((conv_kernel - 1) * conv_channels() + inner * state);
  }
};

enum class Mixer : std::uint8_t { kAttention, kMamba };

// Feed-forward part: SwiGLU, dense or a mixture of experts.
struct MlpConfig {
  std::int64_t intermediate = 0;  // of the dense mlp or of one expert; 0: layers have no such part
  bool bias = false;
  std::int64_t experts = 0, experts_per_token = 0;  // 0: dense
  // Layers expert_offset, expert_offset + expert_period, ... have the experts, the others one mlp.
  std::int64_t expert_period = 1, expert_offset = 0;
  bool renormalise_experts = true;  // the chosen experts' probabilities sum to 1 (Mixtral)
};

struct ModelConfig {
  std::string family;  // "llama", "qwen2", "qwen3", "mistral", "glm4", "mixtral", "mamba2", ...
  std::string name;    // what the checkpoint calls itself, else its file's name
  std::int64_t hidden = 0, layers = 0, vocabulary = 0, max_positions = 0;
  double norm_epsilon = 1e-5;
  bool tied_embeddings = false;
  AttentionConfig attention;
  MlpConfig mlp;
  RopeConfig rope;
  MambaConfig mamba;
  std::vector<Mixer> mixers;  // of each layer; empty: all attend
  // GLM-4 (HF "glm4"): two more RMSNorms a layer, behind attention and behind the mlp, each before
  // its residual addition.
  bool post_norms = false;
  std::vector<std::int32_t> end_tokens;  // ids that end an answer
  std::optional<std::int32_t> begin_token;

  std::int64_t parameters() const;  // all weights, tied ones once
  bool attends(std::int64_t layer) const;
  std::int64_t attention_layers() const;
  std::int64_t recurrent_layers() const { return layers - attention_layers(); }
  bool has_experts(std::int64_t layer) const;
};

}  // namespace scsim::exec
