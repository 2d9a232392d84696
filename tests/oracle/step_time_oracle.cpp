#include "tests/oracle/step_time_oracle.h"

#include <algorithm>

#include "cost_models/roofline.h"

namespace scsim::oracle {
namespace {

using cost_models::CostModelInputs;
using cost_models::LayerClass;
using Mixer = LayerClass::Mixer;

// One GPU's clock and counters while one micro-batch passes all layers.
class Gpu {
 public:
  Gpu(const CostModelInputs& inputs, const std::vector<Sequence>& sequences);
  StepTime run();

 private:
  void layer(const LayerClass& layer);
  void mixer(const LayerClass& layer);
  void attention(const LayerClass& layer);
  void mamba(const LayerClass& layer);
  void mlp(const LayerClass& layer);
  void experts(const LayerClass& layer);
  void logits();

  void add(Stage stage, double seconds) {
    time_.seconds[static_cast<std::size_t>(stage)] += seconds * stretch_;
  }
  void divide(double seconds, double prefill_share) {
    add(Stage::kGeneration, seconds * prefill_share);
    add(Stage::kDecode, seconds * (1 - prefill_share));
  }
  // The longer of both, and the counters.
  double operation(double flops, double flops_per_second, double bytes) {
    time_.flops += flops, time_.hbm_bytes += bytes;
    return std::max(flops / flops_per_second, bytes / bandwidth_);
  }
  double gemm(double tokens, double rows, double columns, double weight_copies, bool quantised) {
    const bool fp8 = quantised && inputs_.precision.fp8_compute;
    const double bytes_per_weight = quantised ? inputs_.precision.weight_bits / 8 : 2;
    return operation(
        2 * tokens * rows * columns, fp8 ? fp8_rate_ : bf16_rate_,
        weight_copies * rows * columns * bytes_per_weight + tokens * (rows + columns) * 2);
  }
  void token_gemm(double rows, double columns, bool quantised) {
    divide(gemm(tokens_, rows, columns, 1, quantised), share_);
  }
  void memory_pass(double elements_per_token) {
    divide(operation(0, 1, tokens_ * elements_per_token * 2), share_);
  }
  void all_reduce() {
    if (t_ == 1) return;
    send(tokens_ * hidden_ * 2 * 2 * (t_ - 1) / t_, 2);
  }
  void send(double bytes, double exchanges) {
    time_.link_bytes += bytes;
    divide(bytes / link_ + exchanges * inputs_.gpu.link_latency.value(), share_);
  }
  bool dense_quantised() const { return !inputs_.model.only_experts_quantised; }
  double kv_heads(const LayerClass& layer) const {
    return std::max(1.0, static_cast<double>(layer.kv_heads) / t_);
  }

  const CostModelInputs& inputs_;
  const std::vector<Sequence>& sequences_;
  double t_, p_, ep_, hidden_;
  double bf16_rate_, fp8_rate_, attention_rate_, bandwidth_, link_;
  double stretch_ = 1;
  double tokens_ = 0, fresh_ = 0, cached_ = 0, share_ = 0;  // of one micro-batch
  StepTime time_;
};

Gpu::Gpu(const CostModelInputs& inputs, const std::vector<Sequence>& sequences)
    : inputs_(inputs),
      sequences_(sequences),
      t_(inputs.parallel.tensor),
      p_(inputs.parallel.pipeline),
      ep_(inputs.parallel.expert),
      hidden_(static_cast<double>(inputs.model.hidden)),
      bf16_rate_(inputs.gpu.bf16.value() * cost_models::kBf16GemmFraction),
      fp8_rate_(std::max(bf16_rate_, inputs.gpu.fp8.value() * cost_models::kFp8GemmFraction)),
      attention_rate_(inputs.gpu.bf16.value() * cost_models::kAttentionFraction),
      bandwidth_(inputs.gpu.memory_bandwidth.value() * cost_models::kMemoryFraction),
      link_(inputs.gpu.link_bandwidth.value() * cost_models::kLinkFraction) {
  for (const Sequence& sequence : sequences) {
    tokens_ += static_cast<double>(sequence.fresh);
    if (sequence.decode) continue;
    fresh_ += static_cast<double>(sequence.fresh);
    cached_ += static_cast<double>(sequence.cached);
  }
  share_ = fresh_ / tokens_;
  tokens_ = std::max(1.0, tokens_ / p_);
  fresh_ /= p_, cached_ /= p_;
}

StepTime Gpu::run() {
  std::int64_t layers = 0;
  for (const LayerClass& each : inputs_.model.layers) layers += each.count;
  std::int64_t slowest = 0;  // layers of the first stage, dealt out one at a time
  for (std::int64_t i = 0; i < layers; i += inputs_.parallel.pipeline) ++slowest;
  stretch_ = static_cast<double>(slowest) * p_ / static_cast<double>(layers);
  for (const LayerClass& each : inputs_.model.layers) {
    for (std::int64_t i = 0; i < each.count; ++i) layer(each);
  }
  stretch_ = 1;
  memory_pass(2 * hidden_);  // embedding
  all_reduce();
  logits();
  for (int send_to = 1; send_to < inputs_.parallel.pipeline; ++send_to) {
    send(tokens_ * hidden_ * 2 * 2, 1);
  }
  add(Stage::kOther, inputs_.step_overhead.value() +
                         inputs_.request_overhead.value() * static_cast<double>(sequences_.size()));
  time_.hbm_bytes *= t_ * p_, time_.flops *= t_ * p_, time_.link_bytes *= t_ * p_;
  return time_;
}

void Gpu::layer(const LayerClass& each) {
  memory_pass(4 * hidden_);  // norm
  mixer(each);
  all_reduce();
  if (each.intermediate == 0) return;
  memory_pass(4 * hidden_);  // norm
  if (each.experts > 0) {
    experts(each);
  } else {
    mlp(each);
  }
  all_reduce();
}

void Gpu::mixer(const LayerClass& each) {
  const double heads = static_cast<double>(each.query_heads) / t_;
  const auto key = static_cast<double>(each.head_dim);
  const auto value = static_cast<double>(each.value_dim());
  const bool quantised = dense_quantised();
  if (each.recurrent()) return mamba(each);
  if (each.mixer == Mixer::kLatentAttention) {
    const auto rope = static_cast<double>(each.rope_dim);
    const auto latent = static_cast<double>(each.latent_dim);
    const auto rank = static_cast<double>(each.query_rank);
    if (rank > 0) token_gemm(hidden_, rank, quantised);
    token_gemm(rank > 0 ? rank : hidden_, heads * key, quantised);
    token_gemm(hidden_, latent, quantised);
    const double all = tokens_ + cached_;
    divide(gemm(all, latent - rope, heads * (key - rope + value), 1, quantised),
           (share_ * tokens_ + cached_) / all);
  } else {
    token_gemm(hidden_, heads * key + kv_heads(each) * (key + value), quantised);
  }
  attention(each);
  token_gemm(heads * value, hidden_, quantised);
}

void Gpu::attention(const LayerClass& each) {
  const bool is_latent = each.mixer == Mixer::kLatentAttention;
  const double heads = static_cast<double>(each.query_heads) / t_;
  const auto key = static_cast<double>(each.head_dim);
  const auto value = static_cast<double>(each.value_dim());
  const auto latent = static_cast<double>(each.latent_dim);
  const double elements = is_latent ? latent : kv_heads(each) * (key + value);
  const double bytes_per_token = elements * inputs_.precision.cache_bits / 8;
  // Rotary embedding of queries and keys, queries read and outputs written, the cache written.
  memory_pass(3 * heads * key + heads * value + 2 * elements);
  divide(operation(0, 1, tokens_ * bytes_per_token), share_);

  double pairs = 0, prefill_read = 0;
  for (const Sequence& sequence : sequences_) {
    const auto visible = [&](std::int64_t position) {  // to the token there, itself included
      return each.window > 0 ? std::min(position + 1, each.window) : position + 1;
    };
    if (sequence.decode) {
      const auto context = static_cast<double>(visible(sequence.cached));
      const double flops = is_latent
                               ? 2 * heads * (latent + latent - static_cast<double>(each.rope_dim))
                               : 2 * heads * (key + value);
      add(Stage::kLoading,
          operation(context * flops / p_, attention_rate_, context * bytes_per_token / p_));
      continue;
    }
    for (std::int64_t i = 0; i < sequence.fresh; ++i) {
      pairs += static_cast<double>(visible(sequence.cached + i));
    }
    const std::int64_t before =
        each.window > 0 ? std::min(sequence.cached, each.window - 1) : sequence.cached;
    prefill_read += static_cast<double>(before + sequence.fresh);
  }
  if (fresh_ > 0) {
    add(Stage::kGeneration, operation(pairs / p_ * 2 * heads * (key + value), attention_rate_,
                                      prefill_read / p_ * bytes_per_token));
  }
}

void Gpu::mamba(const LayerClass& each) {
  const double inner = static_cast<double>(each.inner_dim) / t_;
  const auto state = static_cast<double>(each.state_dim);
  const bool second = each.mixer == Mixer::kMamba2;
  const double groups = second ? std::max(1.0, static_cast<double>(each.state_groups) / t_) : 0;
  const auto kernel = static_cast<double>(each.conv_kernel);
  const bool quantised = dense_quantised();
  double scan_flops = 0;
  if (second) {
    token_gemm(hidden_, 2 * inner + 2 * groups * state + static_cast<double>(each.state_heads) / t_,
               quantised);
    scan_flops = 2 * static_cast<double>(each.chunk) * (groups * state + inner) + 4 * inner * state;
  } else {
    const auto rank = static_cast<double>(each.dt_rank);
    token_gemm(hidden_, 2 * inner, quantised);
    token_gemm(inner, rank + 2 * state, quantised);
    token_gemm(rank, inner, quantised);
  }
  const double channels =
      inner + (second ? 2 * static_cast<double>(each.state_groups) * state / t_ : 0);
  memory_pass(2 * channels);          // convolution
  memory_pass(channels + 2 * inner);  // scan
  memory_pass(2 * inner);             // gated norm
  const double state_bytes =
      2 * (static_cast<double>(each.inner_dim) * state / t_ + channels * (kernel - 1)) * 2;
  double prefill_bytes = 0;
  for (const Sequence& sequence : sequences_) {
    if (sequence.decode) {
      add(Stage::kLoading, operation(0, 1, state_bytes / p_));
    } else {
      prefill_bytes += state_bytes / p_;
    }
  }
  add(Stage::kGeneration, operation(fresh_ * scan_flops, attention_rate_, prefill_bytes));
  token_gemm(inner, hidden_, quantised);
}

void Gpu::mlp(const LayerClass& each) {
  const double width = static_cast<double>(each.intermediate) / t_;
  const bool gated = each.mlp_matrices == 3;
  token_gemm(hidden_, (gated ? 2 : 1) * width, dense_quantised());
  memory_pass((gated ? 3 : 2) * width);
  token_gemm(width, hidden_, dense_quantised());
}

void Gpu::experts(const LayerClass& each) {
  const auto all = static_cast<double>(each.experts);
  const auto k = static_cast<double>(each.experts_per_token);
  const bool whole = ep_ > 1;
  const double width = static_cast<double>(each.intermediate) / (whole ? 1 : t_);
  const double here = whole ? all / ep_ : all;
  const double pairs_per_token = whole ? k / t_ : k;
  token_gemm(hidden_, all, false);  // router

  // One token after the other: each leaves an untouched expert untouched with 1 - k/E.
  const double group_tokens = tokens_ * std::max(1.0, ep_ / t_);
  double untouched = here;
  for (double i = 0; i + 1 <= group_tokens; ++i) untouched *= 1 - k / all;
  const double touched = here - untouched;  // exact where group_tokens is whole
  const double pairs = tokens_ * pairs_per_token;
  divide(gemm(pairs, hidden_, 2 * width, touched, true), share_);
  memory_pass(3 * width * pairs_per_token);
  divide(gemm(pairs, width, hidden_, touched, true), share_);
  memory_pass((pairs_per_token + 1) * hidden_);  // sum over a token's experts
  if (each.shared_intermediate > 0) {
    const double shared = static_cast<double>(each.shared_intermediate) / t_;
    token_gemm(hidden_, 2 * shared, dense_quantised());
    memory_pass(3 * shared);
    token_gemm(shared, hidden_, dense_quantised());
  }
  if (ep_ > t_) {
    // Distinct GPUs that a token's experts are on: choose k of E without replacement.
    double miss = 1;
    for (double i = 0; i < k; ++i) miss *= std::max(0.0, all - here - i) / (all - i);
    const double bytes = tokens_ / t_ * (ep_ - 1) * (1 - miss) * hidden_ * 2;
    send(bytes, 1);
    send(bytes, 1);
  }
}

void Gpu::logits() {
  double sampled = 0, decodes = 0;
  for (const Sequence& sequence : sequences_) {
    sampled += sequence.sampled ? 1 : 0;
    decodes += sequence.decode ? 1 : 0;
  }
  if (sampled == 0) return;
  const double share = std::max(0.0, sampled - decodes) / sampled;
  const double part = sampled / p_;
  const double columns = static_cast<double>(inputs_.model.vocabulary) / t_;
  // 32 bits each: written and read by sampling instead of the 16 of a GEMM's output.
  const double bytes = hidden_ * columns * 2 + part * (hidden_ * 2 + columns * 8);
  divide(operation(2 * part * hidden_ * columns, bf16_rate_, bytes), share);
  if (t_ > 1) {
    const double sent = part * columns * (t_ - 1) * 2;
    time_.link_bytes += sent;
    divide(sent / link_ + inputs_.gpu.link_latency.value(), share);
  }
}

}  // namespace

double StepTime::total() const {
  double sum = 0;
  for (const double each : seconds) sum += each;
  return sum;
}

StepTime step_time(const CostModelInputs& inputs, const std::vector<Sequence>& sequences) {
  return Gpu(inputs, sequences).run();
}

cost_models::StepShape step_shape(const cost_models::StepCostModel& model,
                                  const std::vector<Sequence>& sequences) {
  cost_models::StepShape shape;
  for (const Sequence& sequence : sequences) {
    shape.sampled_sequences += sequence.sampled ? 1 : 0;
    if (sequence.decode) {
      ++shape.decode_sequences;
      continue;
    }
    ++shape.prefill_sequences;
    shape.prefill_tokens += sequence.fresh;
    shape.prefill_cached_tokens += static_cast<double>(sequence.cached);
    shape.prefill_pairs += cost_models::causal_pairs(sequence.cached, sequence.fresh, 0);
    for (std::size_t i = 0; i < model.windows().size(); ++i) {
      const std::int64_t window = model.windows()[i];
      shape.windowed_prefill_pairs[i] +=
          cost_models::causal_pairs(sequence.cached, sequence.fresh, window);
      shape.windowed_prefill_cached[i] +=
          static_cast<double>(std::min(sequence.cached, window - 1));
    }
  }
  return shape;
}

StepTime modelled_time(const cost_models::StepCostModel& model,
                       const std::vector<Sequence>& sequences) {
  const cost_models::StepCost cost = model.step(step_shape(model, sequences));
  StepTime time = {cost.fixed, cost.hbm_bytes, cost.flops, cost.link_bytes};
  for (const Sequence& sequence : sequences) {
    if (!sequence.decode) continue;
    const auto add = [&](std::int64_t context, const PerStage<double>& seconds, double bytes,
                         double flops) {
      const auto tokens = static_cast<double>(context);
      for (std::size_t stage = 0; stage < kNumStages; ++stage) {
        time.seconds[stage] += tokens * seconds[stage];
      }
      time.hbm_bytes += tokens * bytes, time.flops += tokens * flops;
    };
    const std::int64_t context = sequence.cached + 1;
    add(context, cost.per_context_token, cost.hbm_bytes_per_context_token,
        cost.flops_per_context_token);
    for (std::size_t i = 0; i < model.windows().size(); ++i) {
      add(std::min(context, model.windows()[i]), cost.per_windowed_token[i],
          cost.hbm_bytes_per_windowed_token[i], cost.flops_per_windowed_token[i]);
    }
  }
  return time;
}

}  // namespace scsim::oracle
