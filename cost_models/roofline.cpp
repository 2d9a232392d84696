// `roofline`: what an engine step takes if every operation runs at a stated fraction of the
// hardware's published peaks. No coefficient is measured, so all results are uncalibrated.
//
// A step is a list of operations on each GPU: per layer the GEMMs of layer_matrices.h, the
// attention of prefills, the cache reads of decodes, the state traffic of recurrent layers and the
// memory passes between them (norms, rotary embedding, activation, writing the cache); once per
// step the embedding and, for sampled sequences, the logits. An operation takes the longer of its
// operations at the compute rate and its bytes at the memory bandwidth; operations do not overlap.
// Host time per step and per request comes on top: engines overlap little of it with the GPU, and
// where one does its preset says less.
//
//   GEMM of n tokens      max(2 n K N / rate, (weights + n (K + N) 2 B) / bandwidth)
//   experts               weights are those of the experts that n tokens are expected to touch,
//                         E (1 - (1 - k/E)^n) under uniform routing
//   prefill attention     max(operations of the attended pairs, bytes of the cache read once)
//   decode attention      per token of context, the longer of its bytes and its operations; each
//                         sequence reads its own cache, shared prefixes too
//   MLA                   prefills expand the latent of cached and new tokens again; decodes
//                         attend over the latent, which every tensor-parallel GPU reads in full
//   Mamba-2               operations of its chunked scan (products within chunks, chunk states);
//                         Mamba-1's scan is bound by memory traffic, as its paper says
//   tensor parallel t     an all-reduce after the embedding, each mixer and each mlp: every GPU
//                         sends 2 (t-1)/t of the activations, in two exchanges
//   expert parallel > t   two all-to-alls per MoE layer; a token's vector goes once to each other
//                         GPU that holds any of its k experts
//
// Pipeline parallel p, steady state: the running sequences form p equal micro-batches, each on
// another stage. A stage holds 1/p of the layers and takes (all layers at n/p tokens)/p for one
// micro-batch. A micro-batch's next step begins when it has gone through all p stages, and in that
// time every other micro-batch did one step as well: the step of the whole batch takes all layers
// at n/p tokens, and p - 1 sends between stages. With L layers the slowest stage has ceil(L/p) of
// them and sets the pace, so layers are stretched by ceil(L/p) p/L. Fewer sequences than stages, or
// one long prefill, cannot be split so evenly: then the truth is up to p times slower.
//
// Stages: host time is `other`. Reading caches (and states) for decodes is `loading`. The GEMMs,
// memory passes and communication of a mixed step are divided by tokens between `generation`
// (prefills, with their attention) and `decode`; logits by sampled sequences.
//
// Left out: kernel launch gaps and tile quantisation, expert imbalance, chunked attention's reread
// of its cache per query tile (it stays in L2), links between nodes.
#include "cost_models/roofline.h"

#include <algorithm>

#include "cost_models/cost_model_table.h"
#include "cost_models/step_cost.h"
#include "cost_models/step_operations.h"

namespace scsim::cost_models {
namespace {

class Roofline final : public StepCostModel {
 public:
  explicit Roofline(const CostModelInputs& inputs);
  StepCost step(const StepShape& shape) const override;
  const std::vector<std::int64_t>& windows() const override { return operations_.windows; }
  std::vector<std::string> honesty() const override { return {honesty_}; }

 private:
  // Time and counters of one GPU, for one micro-batch in all layers.
  struct Tally {
    double generation = 0, decode = 0, loading = 0;  // seconds
    double flops = 0, hbm_bytes = 0, link_bytes = 0;

    void divide(double seconds, double prefill_share) {
      generation += prefill_share * seconds;
      decode += (1 - prefill_share) * seconds;
    }
  };
  void add_slopes();
  void add_layers(double tokens, double cached, double prefill_share, Tally& tally) const;
  void add_prefill_attention(const StepShape& shape, Tally& tally) const;
  void add_states(const StepShape& shape, Tally& tally) const;
  void add_logits(const StepShape& shape, Tally& tally) const;
  double run(const Operation& operation, double tokens, double weight_bytes, Tally& tally) const;
  double send(const Transfer& transfer, double tokens, Tally& tally) const;
  template <class Number>
  double part(Number whole) const {  // of one micro-batch
    return static_cast<double>(whole) / micro_batches_;
  }

  StepOperations operations_;
  std::string honesty_;
  double micro_batches_, gpus_, stretch_;
  double gemm_seconds_per_flop_, fp8_seconds_per_flop_, attention_seconds_per_flop_;
  double seconds_per_byte_, link_seconds_per_byte_, link_latency_;
  double step_overhead_, request_overhead_;
  StepCost slopes_;
};

// Layers of the fullest pipeline stage, over those of the average one.
double stretch(const ModelShape& model, const Parallel& parallel) {
  const std::int64_t layers = model.num_layers(), stages = parallel.pipeline;
  const std::int64_t fullest = (layers + stages - 1) / stages;
  return static_cast<double>(fullest * stages) / static_cast<double>(layers);
}

Roofline::Roofline(const CostModelInputs& inputs)
    : operations_(step_operations(inputs.model, inputs.parallel, inputs.precision)),
      honesty_("uncalibrated: step costs derive from the published shapes of " + inputs.gpu.name +
               " and " + inputs.model.name + " (roofline)"),
      micro_batches_(inputs.parallel.pipeline),
      gpus_(inputs.parallel.tensor * inputs.parallel.pipeline),
      stretch_(stretch(inputs.model, inputs.parallel)),
      gemm_seconds_per_flop_(1 / (inputs.gpu.bf16.value() * kBf16GemmFraction)),
      fp8_seconds_per_flop_(
          std::min(gemm_seconds_per_flop_, 1 / (inputs.gpu.fp8.value() * kFp8GemmFraction))),
      attention_seconds_per_flop_(1 / (inputs.gpu.bf16.value() * kAttentionFraction)),
      seconds_per_byte_(1 / (inputs.gpu.memory_bandwidth.value() * kMemoryFraction)),
      link_seconds_per_byte_(1 / (inputs.gpu.link_bandwidth.value() * kLinkFraction)),
      link_latency_(inputs.gpu.link_latency.value()),
      step_overhead_(inputs.step_overhead.value()),
      request_overhead_(inputs.request_overhead.value()) {
  if (operations_.windows.size() <= kMaxWindows) add_slopes();  // else refused by make()
}

void Roofline::add_slopes() {
  const auto loading = static_cast<std::size_t>(Stage::kLoading);
  const double tensor = gpus_ / micro_batches_;
  for (const Attention& attention : operations_.attention) {
    const double seconds = stretch_ * attention.count / micro_batches_ *
                           std::max(attention.cache_bytes * seconds_per_byte_,
                                    attention.decode_flops * attention_seconds_per_flop_);
    const double bytes = attention.count * attention.cache_bytes * tensor;
    const double flops = attention.count * attention.decode_flops * tensor;
    if (attention.window < 0) {
      slopes_.per_context_token[loading] += seconds;
      slopes_.hbm_bytes_per_context_token += bytes;
      slopes_.flops_per_context_token += flops;
    } else {
      const auto window = static_cast<std::size_t>(attention.window);
      slopes_.per_windowed_token[window][loading] += seconds;
      slopes_.hbm_bytes_per_windowed_token[window] += bytes;
      slopes_.flops_per_windowed_token[window] += flops;
    }
  }
}

double Roofline::run(const Operation& operation, double tokens, double weight_bytes,
                     Tally& tally) const {
  const double flops = tokens * operation.flops;
  const double bytes = weight_bytes + tokens * operation.bytes;
  tally.flops += operation.count * flops, tally.hbm_bytes += operation.count * bytes;
  const double seconds_per_flop = operation.fp8 ? fp8_seconds_per_flop_ : gemm_seconds_per_flop_;
  return operation.count * std::max(flops * seconds_per_flop, bytes * seconds_per_byte_);
}

double Roofline::send(const Transfer& transfer, double tokens, Tally& tally) const {
  const double bytes = tokens * transfer.bytes;
  tally.link_bytes += bytes;
  return transfer.exchanges * link_latency_ + bytes * link_seconds_per_byte_;
}

void Roofline::add_layers(double tokens, double cached, double prefill_share, Tally& tally) const {
  double layers = send(operations_.layer_transfer, tokens, tally);
  for (const Operation& operation : operations_.per_token) {
    layers += run(operation, tokens, operation.weight_bytes, tally);
  }
  for (const Experts& experts : operations_.experts) {
    const double touched = experts.touched(tokens);
    for (const Operation& operation : experts.operations) {
      layers += run(operation, tokens, touched * operation.weight_bytes, tally);
    }
  }
  tally.divide(stretch_ * layers, prefill_share);
  double expanded = 0;
  for (const Operation& operation : operations_.per_cached_token) {
    expanded += run(operation, tokens + cached, operation.weight_bytes, tally);
  }
  tally.divide(stretch_ * expanded, (prefill_share * tokens + cached) / (tokens + cached));
}

void Roofline::add_prefill_attention(const StepShape& shape, Tally& tally) const {
  if (shape.prefill_tokens == 0) return;
  for (const Attention& attention : operations_.attention) {
    const auto window = static_cast<std::size_t>(attention.window);
    const bool all = attention.window < 0;
    const double pairs = all ? shape.prefill_pairs : shape.windowed_prefill_pairs[window];
    const double read = all ? shape.prefill_cached_tokens : shape.windowed_prefill_cached[window];
    const double flops = attention.count * attention.pair_flops * part(pairs);
    const double bytes = attention.count * attention.cache_bytes *
                         part(read + static_cast<double>(shape.prefill_tokens));
    tally.flops += flops, tally.hbm_bytes += bytes;
    tally.generation +=
        stretch_ * std::max(flops * attention_seconds_per_flop_, bytes * seconds_per_byte_);
  }
}

// Recurrent layers read and write the state of every sequence of the step, and scan prefills.
void Roofline::add_states(const StepShape& shape, Tally& tally) const {
  for (const Recurrent& recurrent : operations_.recurrent) {
    const double state = 2 * recurrent.count * recurrent.state_bytes;
    const double prefill_bytes = state * part(shape.prefill_sequences);
    const double decode_bytes = state * part(shape.decode_sequences);
    const double flops = recurrent.count * recurrent.scan_flops * part(shape.prefill_tokens);
    tally.flops += flops, tally.hbm_bytes += prefill_bytes + decode_bytes;
    tally.generation +=
        stretch_ * std::max(flops * attention_seconds_per_flop_, prefill_bytes * seconds_per_byte_);
    tally.loading += stretch_ * decode_bytes * seconds_per_byte_;
  }
}

void Roofline::add_logits(const StepShape& shape, Tally& tally) const {
  if (shape.sampled_sequences == 0) return;
  const double sampled = part(shape.sampled_sequences);
  const double seconds = run(operations_.logits, sampled, operations_.logits.weight_bytes, tally) +
                         send(operations_.logits_transfer, sampled, tally);
  const double prefills = std::max(0.0, sampled - part(shape.decode_sequences));
  tally.divide(seconds, prefills / sampled);
}

StepCost Roofline::step(const StepShape& shape) const {
  StepCost cost = slopes_;
  const auto at = [&cost](Stage stage) -> double& {
    return cost.fixed[static_cast<std::size_t>(stage)];
  };
  const std::int64_t sequences = shape.prefill_sequences + shape.decode_sequences;
  at(Stage::kOther) = step_overhead_ + static_cast<double>(sequences) * request_overhead_;
  const std::int64_t all_tokens = shape.prefill_tokens + shape.decode_sequences;
  if (all_tokens == 0) return cost;

  Tally tally;
  const double tokens = std::max(1.0, part(all_tokens));  // a micro-batch has at least one
  const double prefill_share =
      static_cast<double>(shape.prefill_tokens) / static_cast<double>(all_tokens);
  tally.divide(
      run(operations_.embedding, tokens, 0, tally) + send(operations_.step_transfer, tokens, tally),
      prefill_share);
  add_layers(tokens, part(shape.prefill_cached_tokens), prefill_share, tally);
  add_prefill_attention(shape, tally);
  add_states(shape, tally);
  add_logits(shape, tally);

  at(Stage::kGeneration) = tally.generation;
  at(Stage::kDecode) = tally.decode;
  at(Stage::kLoading) = tally.loading;
  cost.hbm_bytes = gpus_ * tally.hbm_bytes;
  cost.flops = gpus_ * tally.flops;
  cost.link_bytes = gpus_ * tally.link_bytes;
  return cost;
}

Expected<std::unique_ptr<StepCostModel>> make(const CostModelInputs& inputs) {
  auto model = std::make_unique<Roofline>(inputs);
  if (model->windows().size() > kMaxWindows) {
    return Error{inputs.model.name + " has sliding windows of " +
                 std::to_string(model->windows().size()) + " sizes; at most " +
                 std::to_string(kMaxWindows) + " are supported"};
  }
  return std::unique_ptr<StepCostModel>(std::move(model));
}

}  // namespace

CostModelEntry roofline_cost_model() {
  return {.name = "roofline",
          .sentence =
              "published peaks of the GPU and shape of the model, operator by operator; "
              "uncalibrated",
          .source =
              "Williams et al., Roofline, CACM 2009; fractions of peak as cited in "
              "cost_models/roofline.h",
          .make = make};
}

}  // namespace scsim::cost_models
