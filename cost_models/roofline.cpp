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
#include "cost_models/layer_matrices.h"
#include "cost_models/step_cost.h"
#include "traces/math.h"

namespace scsim::cost_models {
namespace {

constexpr double kActivationBytes = 2, kLogitBytes = 4;

// One kind of operation on one GPU, done `count` times a step.
struct Operation {
  double count = 1;
  double flops = 0, bytes = 0;  // per token (or per sampled sequence)
  double weight_bytes = 0;      // read once however many tokens there are; experts: of each touched
  double seconds_per_flop = 0;
};

// The experts of one layer class on one GPU.
struct Experts {
  double here = 0;      // experts on this GPU
  double log_miss = 0;  // log(1 - k/E): that a token does not go to a given expert
  bool all = false;     // k == E
  double tokens = 1;    // tokens that can come to this GPU per token of the engine
  std::vector<Operation> operations;

  // Expected number of distinct experts that n > 0 tokens of the engine touch here.
  double touched(double n) const {
    return all ? here : here * (1 - stable_exp(n * tokens * log_miss));
  }
};

struct Attention {
  double count = 0;
  int window = -1;          // index into windows(), -1: attends to everything
  double pair_flops = 0;    // prefill, per attended pair
  double cache_bytes = 0;   // per token, layer and GPU
  double decode_flops = 0;  // per token of context
};

struct Recurrent {
  double count = 0;
  double scan_flops = 0;   // per token
  double state_bytes = 0;  // of one sequence
};

class Ledger {
 public:
  void add(double flops, double bytes) { flops_ += flops, bytes_ += bytes; }
  double flops() const { return flops_; }
  double bytes() const { return bytes_; }

 private:
  double flops_ = 0, bytes_ = 0;
};

class Roofline final : public StepCostModel {
 public:
  explicit Roofline(const CostModelInputs& inputs);
  StepCost step(const StepShape& shape) const override;
  const std::vector<std::int64_t>& windows() const override { return windows_; }
  std::vector<std::string> honesty() const override { return {honesty_}; }

 private:
  void add_layer(const CostModelInputs& inputs, const LayerClass& layer);
  void add_attention(const CostModelInputs& inputs, const LayerClass& layer);
  void add_recurrent(const Parallel& parallel, const LayerClass& layer);
  void add_communication(const CostModelInputs& inputs);
  void add_slopes();
  double memory_pass_bytes(const CostModelInputs& inputs, const LayerClass& layer) const;
  Operation gemm(const CostModelInputs& inputs, const Matrix& matrix) const;
  double seconds(const Operation& operation, double tokens, double weight_bytes,
                 Ledger& ledger) const;

  std::vector<std::int64_t> windows_;
  std::string honesty_;
  double micro_batches_, gpus_, stretch_;
  double attention_seconds_per_flop_, seconds_per_byte_;
  double step_overhead_, request_overhead_;
  // layers
  std::vector<Operation> per_token_, per_cached_token_;
  std::vector<Experts> experts_;
  std::vector<Attention> attention_;
  std::vector<Recurrent> recurrent_;
  // once per step
  Operation embedding_, logits_;
  // links: seconds of a step, per token and per sampled sequence, and the bytes that a GPU sends
  double link_seconds_ = 0, link_seconds_per_token_ = 0, link_bytes_per_token_ = 0;
  double logit_link_seconds_ = 0, logit_link_seconds_per_sequence_ = 0, logit_link_bytes_ = 0;
  StepCost slopes_;
};

Roofline::Roofline(const CostModelInputs& inputs)
    : honesty_("uncalibrated: step costs derive from the published shapes of " + inputs.gpu.name +
               " and " + inputs.model.name + " (roofline)"),
      micro_batches_(inputs.parallel.pipeline),
      gpus_(inputs.parallel.tensor * inputs.parallel.pipeline),
      attention_seconds_per_flop_(1 / (inputs.gpu.bf16.value() * kAttentionFraction)),
      seconds_per_byte_(1 / (inputs.gpu.memory_bandwidth.value() * kMemoryFraction)),
      step_overhead_(inputs.step_overhead.value()),
      request_overhead_(inputs.request_overhead.value()) {
  const ModelShape& model = inputs.model;
  const std::int64_t layers = model.num_layers(), stages = inputs.parallel.pipeline;
  stretch_ =
      static_cast<double>((layers + stages - 1) / stages * stages) / static_cast<double>(layers);
  for (const LayerClass& layer : model.layers) add_layer(inputs, layer);

  const auto hidden = static_cast<double>(model.hidden);
  const Matrix logits = {.inputs = hidden,
                         .outputs = static_cast<double>(model.vocabulary) / inputs.parallel.tensor,
                         .quantised = false};
  logits_ = gemm(inputs, logits);
  logits_.bytes += logits.outputs * (2 * kLogitBytes - kActivationBytes);  // written, then sampled
  embedding_.bytes = 2 * hidden * kActivationBytes;
  add_communication(inputs);
  add_slopes();
}

Operation Roofline::gemm(const CostModelInputs& inputs, const Matrix& matrix) const {
  const bool fp8 = matrix.quantised && inputs.precision.fp8_compute;
  const double bits = matrix.quantised ? inputs.precision.weight_bits : 16;
  const double rate =
      fp8 ? inputs.gpu.fp8.value() * kFp8GemmFraction : inputs.gpu.bf16.value() * kBf16GemmFraction;
  return {.flops = 2 * matrix.inputs * matrix.outputs,
          .bytes = (matrix.inputs + matrix.outputs) * kActivationBytes,
          .weight_bytes = matrix.inputs * matrix.outputs * bits / 8,
          .seconds_per_flop = 1 / rate};
}

void Roofline::add_layer(const CostModelInputs& inputs, const LayerClass& layer) {
  const Parallel& parallel = inputs.parallel;
  const auto count = static_cast<double>(layer.count);
  Experts experts;
  for (const Matrix& matrix : layer_matrices(inputs.model, layer, parallel)) {
    Operation operation = gemm(inputs, matrix);
    operation.count = count;
    switch (matrix.operand) {
      case Matrix::Operand::kToken:
        per_token_.push_back(operation);
        break;
      case Matrix::Operand::kCachedToken:
        per_cached_token_.push_back(operation);
        break;
      case Matrix::Operand::kRoutedToken: {
        // Whole experts: the group's expert / tensor engines bring as many tokens each, and each of
        // its `expert` GPUs gets an equal part of their pairs.
        const double pairs = static_cast<double>(layer.experts_per_token) /
                             (parallel.expert > 1 ? parallel.tensor : 1);
        operation.flops *= pairs, operation.bytes *= pairs;
        experts.here = matrix.copies;
        experts.operations.push_back(operation);
        break;
      }
    }
  }
  if (layer.experts > 0) {
    const double hit =
        static_cast<double>(layer.experts_per_token) / static_cast<double>(layer.experts);
    experts.all = layer.experts_per_token == layer.experts;
    if (!experts.all) experts.log_miss = stable_log(1 - hit);
    experts.tokens = std::max(1.0, static_cast<double>(parallel.expert) / parallel.tensor);
    experts_.push_back(std::move(experts));
  }
  per_token_.push_back({.count = count, .bytes = memory_pass_bytes(inputs, layer)});
  if (layer.recurrent()) {
    add_recurrent(parallel, layer);
  } else {
    add_attention(inputs, layer);
  }
}

// Bytes per token that the kernels between the GEMMs of a layer read and write.
double Roofline::memory_pass_bytes(const CostModelInputs& inputs, const LayerClass& layer) const {
  const Parallel& parallel = inputs.parallel;
  const auto hidden = static_cast<double>(inputs.model.hidden);
  const double tensor = parallel.tensor;
  // A norm adds the residual: both are read and written.
  double elements = 4 * hidden * (layer.intermediate > 0 ? 2 : 1);
  if (layer.recurrent()) {
    // The convolution reads and writes its channels; the scan reads them and its gate and writes
    // its output; the gated norm does so again.
    const double inner = static_cast<double>(layer.inner_dim) / tensor;
    const double channels = static_cast<double>(layer.conv_elements()) /
                            static_cast<double>(layer.conv_kernel - 1) / tensor;
    elements += 3 * channels + 4 * inner;
  } else {
    // Rotary embedding reads and writes queries and keys; attention reads queries and writes its
    // output.
    const double query = static_cast<double>(layer.query_heads * layer.head_dim) / tensor;
    const double output = static_cast<double>(layer.query_heads * layer.value_dim()) / tensor;
    const double cache = cache_elements_per_gpu(layer, parallel);
    elements += 3 * query + output + 2 * cache;
  }
  const double widths = layer.mlp_matrices;  // gated: two read and one written
  const auto intermediate = static_cast<double>(layer.intermediate);
  if (layer.experts == 0) {
    elements += widths * intermediate / tensor;
  } else {
    const auto k = static_cast<double>(layer.experts_per_token);
    elements += widths * k * intermediate / tensor;
    elements += widths * static_cast<double>(layer.shared_intermediate) / tensor;
    elements +=
        (k / (parallel.expert > 1 ? tensor : 1) + 1) * hidden;  // sum over a token's experts
  }
  return elements * kActivationBytes +
         cache_elements_per_gpu(layer, parallel) * inputs.precision.cache_bits / 8;
}

void Roofline::add_attention(const CostModelInputs& inputs, const LayerClass& layer) {
  const double heads = static_cast<double>(layer.query_heads) / inputs.parallel.tensor;
  const auto key = static_cast<double>(layer.head_dim);
  const auto value = static_cast<double>(layer.value_dim());
  Attention attention;
  attention.count = static_cast<double>(layer.count);
  attention.pair_flops = 2 * heads * (key + value);
  attention.decode_flops = attention.pair_flops;
  if (layer.mixer == LayerClass::Mixer::kLatentAttention) {
    const auto latent = static_cast<double>(layer.latent_dim);
    attention.decode_flops = 2 * heads * (latent + latent - static_cast<double>(layer.rope_dim));
  }
  attention.cache_bytes =
      cache_elements_per_gpu(layer, inputs.parallel) * inputs.precision.cache_bits / 8;
  if (layer.window > 0) {
    auto known = std::ranges::find(windows_, layer.window);
    if (known == windows_.end()) known = windows_.insert(known, layer.window);
    attention.window = static_cast<int>(known - windows_.begin());
  }
  attention_.push_back(attention);
}

void Roofline::add_recurrent(const Parallel& parallel, const LayerClass& layer) {
  constexpr double kStateBytes = 2;
  const double tensor = parallel.tensor;
  Recurrent recurrent;
  recurrent.count = static_cast<double>(layer.count);
  recurrent.state_bytes =
      static_cast<double>(layer.state_elements() + layer.conv_elements()) / tensor * kStateBytes;
  if (layer.mixer == LayerClass::Mixer::kMamba2) {
    // Within its chunk of Q tokens, a token's products with the others (C B^T per group, times X
    // per channel); then its part in the chunk's state, and the state's in its output.
    const double inner = static_cast<double>(layer.inner_dim) / tensor;
    const auto state = static_cast<double>(layer.state_dim);
    const double groups = std::max(1.0, static_cast<double>(layer.state_groups) / tensor);
    recurrent.scan_flops =
        2 * static_cast<double>(layer.chunk) * (groups * state + inner) + 4 * inner * state;
  }
  recurrent_.push_back(recurrent);
}

void Roofline::add_communication(const CostModelInputs& inputs) {
  const Parallel& parallel = inputs.parallel;
  const double tensor = parallel.tensor, expert = parallel.expert;
  const double rate = inputs.gpu.link_bandwidth.value() * kLinkFraction;
  const double latency = inputs.gpu.link_latency.value();
  const double vector = static_cast<double>(inputs.model.hidden) * kActivationBytes;
  double exchanges = 0, sent = 0;  // in the layers, per GPU; bytes per token
  for (const LayerClass& layer : inputs.model.layers) {
    const auto count = static_cast<double>(layer.count);
    if (tensor > 1) {
      const double reduces = count * (layer.intermediate > 0 ? 2 : 1);
      exchanges += 2 * reduces;
      sent += reduces * 2 * (tensor - 1) / tensor * vector;
    }
    if (layer.experts > 0 && expert > tensor) {
      // That none of a token's k distinct experts is among the E/expert of a given GPU.
      const auto all = static_cast<double>(layer.experts);
      double miss = 1;
      for (std::int64_t i = 0; i < layer.experts_per_token; ++i) {
        const auto drawn = static_cast<double>(i);
        miss *= std::max(0.0, all - all / expert - drawn) / (all - drawn);
      }
      exchanges += 2 * count;
      sent += count * 2 * (expert - 1) * (1 - miss) * vector / tensor;
    }
  }
  link_seconds_ = stretch_ * exchanges * latency;
  link_seconds_per_token_ = stretch_ * sent / rate;
  link_bytes_per_token_ = sent;
  if (tensor > 1) {  // the embedding's all-reduce, and the gathering of logits
    const double reduce = 2 * (tensor - 1) / tensor * vector;
    link_seconds_ += 2 * latency;
    link_seconds_per_token_ += reduce / rate;
    link_bytes_per_token_ += reduce;
    logit_link_bytes_ =
        static_cast<double>(inputs.model.vocabulary) / tensor * (tensor - 1) * kActivationBytes;
    logit_link_seconds_per_sequence_ = logit_link_bytes_ / rate;
    logit_link_seconds_ = latency;
  }
  if (parallel.pipeline > 1) {  // activations and residual go to the next stage
    const double sends = parallel.pipeline - 1;
    link_seconds_ += sends * latency;
    link_seconds_per_token_ += sends * 2 * vector / rate;
    link_bytes_per_token_ += sends * 2 * vector;
  }
}

void Roofline::add_slopes() {
  const auto loading = static_cast<std::size_t>(Stage::kLoading);
  const double tensor = gpus_ / micro_batches_;
  for (const Attention& attention : attention_) {
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
      if (window >= kMaxWindows) continue;  // refused by make()
      slopes_.per_windowed_token[window][loading] += seconds;
      slopes_.hbm_bytes_per_windowed_token[window] += bytes;
      slopes_.flops_per_windowed_token[window] += flops;
    }
  }
}

double Roofline::seconds(const Operation& operation, double tokens, double weight_bytes,
                         Ledger& ledger) const {
  const double flops = tokens * operation.flops;
  const double bytes = weight_bytes + tokens * operation.bytes;
  ledger.add(operation.count * flops, operation.count * bytes);
  return operation.count * std::max(flops * operation.seconds_per_flop, bytes * seconds_per_byte_);
}

StepCost Roofline::step(const StepShape& shape) const {
  StepCost cost = slopes_;
  const auto at = [&cost](Stage stage) -> double& {
    return cost.fixed[static_cast<std::size_t>(stage)];
  };
  const auto sequences = static_cast<double>(shape.prefill_sequences + shape.decode_sequences);
  at(Stage::kOther) = step_overhead_ + sequences * request_overhead_;
  if (shape.prefill_tokens + shape.decode_sequences == 0) return cost;

  // What one micro-batch has; it has at least one token.
  const auto part = [this](auto whole) { return static_cast<double>(whole) / micro_batches_; };
  const double tokens = std::max(1.0, part(shape.prefill_tokens + shape.decode_sequences));
  const double prefill_share = static_cast<double>(shape.prefill_tokens) /
                               static_cast<double>(shape.prefill_tokens + shape.decode_sequences);
  const double cached = part(shape.prefill_cached_tokens);
  const double fresh = part(shape.prefill_tokens);
  Ledger ledger;
  double generation = 0, decode = 0, loading = 0;
  const auto divide = [&](double seconds, double share) {
    generation += share * seconds;
    decode += (1 - share) * seconds;
  };

  double shared = embedding_.bytes * tokens * seconds_per_byte_;
  ledger.add(0, embedding_.bytes * tokens);
  double layers = 0;
  for (const Operation& operation : per_token_) {
    layers += seconds(operation, tokens, operation.weight_bytes, ledger);
  }
  for (const Experts& experts : experts_) {
    const double touched = experts.touched(tokens);
    for (const Operation& operation : experts.operations) {
      layers += seconds(operation, tokens, touched * operation.weight_bytes, ledger);
    }
  }
  shared += stretch_ * layers + link_seconds_ + tokens * link_seconds_per_token_;
  divide(shared, prefill_share);

  double expanded = 0;
  for (const Operation& operation : per_cached_token_) {
    expanded += seconds(operation, tokens + cached, operation.weight_bytes, ledger);
  }
  divide(stretch_ * expanded, (prefill_share * tokens + cached) / (tokens + cached));

  double attention_seconds = 0;
  if (shape.prefill_tokens > 0) {
    for (const Attention& attention : attention_) {
      const auto window = static_cast<std::size_t>(attention.window);
      const bool all = attention.window < 0;
      const double flops = attention.pair_flops *
                           part(all ? shape.prefill_pairs : shape.windowed_prefill_pairs[window]);
      const double read = all ? cached : part(shape.windowed_prefill_cached[window]);
      const double bytes = attention.cache_bytes * (read + fresh);
      attention_seconds += attention.count *
                           std::max(flops * attention_seconds_per_flop_, bytes * seconds_per_byte_);
      ledger.add(attention.count * flops, attention.count * bytes);
    }
  }
  for (const Recurrent& recurrent : recurrent_) {
    const double state = 2 * recurrent.count * recurrent.state_bytes;  // read and written
    const double prefill_bytes = state * part(shape.prefill_sequences);
    const double decode_bytes = state * part(shape.decode_sequences);
    const double flops = recurrent.count * recurrent.scan_flops * fresh;
    attention_seconds +=
        std::max(flops * attention_seconds_per_flop_, prefill_bytes * seconds_per_byte_);
    loading += decode_bytes * seconds_per_byte_;
    ledger.add(flops, prefill_bytes + decode_bytes);
  }
  generation += stretch_ * attention_seconds;
  loading *= stretch_;

  double link_bytes = tokens * link_bytes_per_token_;
  if (shape.sampled_sequences > 0) {
    const auto sampled = static_cast<double>(shape.sampled_sequences);
    const double finished_prefills = static_cast<double>(
        std::max<std::int64_t>(0, shape.sampled_sequences - shape.decode_sequences));
    divide(seconds(logits_, part(sampled), logits_.weight_bytes, ledger) + logit_link_seconds_ +
               part(sampled) * logit_link_seconds_per_sequence_,
           finished_prefills / sampled);
    link_bytes += part(sampled) * logit_link_bytes_;
  }

  at(Stage::kGeneration) = generation;
  at(Stage::kDecode) = decode;
  at(Stage::kLoading) = loading;
  cost.hbm_bytes = gpus_ * ledger.bytes();
  cost.flops = gpus_ * ledger.flops();
  cost.link_bytes = gpus_ * link_bytes;
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
              "cost_models/roofline.cpp",
          .make = make};
}

}  // namespace scsim::cost_models
