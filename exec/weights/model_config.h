// What a checkpoint says of its network: one plain struct for every family the runtime knows, so
// that a family is a configuration and not a copy of the runtime.
//
//   auto checkpoint = Checkpoint::open("SmolLM2-135M-Instruct.Q4_1.gguf");   // or a folder
//   const ModelConfig& config = checkpoint->config();
//   config.attention.kv_heads;
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace scsim::exec {

// Rotary position embedding. Frequencies before scaling: theta^(-2i / rotary_dim).
struct RopeConfig {
  enum class Scaling : std::uint8_t { kNone, kLinear, kLlama3, kYarn };
  double theta = 10000;
  std::int64_t rotary_dim = 0;  // of each head; the rest of the head is left as it is (GLM-4: half)
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

// Feed-forward part: SwiGLU, dense or a mixture of experts.
struct MlpConfig {
  std::int64_t intermediate = 0;  // of the dense mlp or of one expert
  bool bias = false;
  std::int64_t experts = 0, experts_per_token = 0;  // 0: dense
  bool renormalise_experts = true;  // the chosen experts' probabilities sum to 1 (Mixtral)
};

struct ModelConfig {
  std::string family;  // "llama", "qwen2", "qwen3", "mistral", "glm4", "mixtral"
  std::string name;    // what the checkpoint calls itself, else its file's name
  std::int64_t hidden = 0, layers = 0, vocabulary = 0, max_positions = 0;
  double norm_epsilon = 1e-5;
  bool tied_embeddings = false;
  AttentionConfig attention;
  MlpConfig mlp;
  RopeConfig rope;
  // GLM-4 (HF "glm4"): two more RMSNorms a layer, behind attention and behind the mlp, each before
  // its residual addition.
  bool post_norms = false;
  std::vector<std::int32_t> end_tokens;  // ids that end an answer
  std::optional<std::int32_t> begin_token;

  std::int64_t parameters() const;  // all weights, tied ones once
};

}  // namespace scsim::exec
