#include "exec/model/model.h"

#include <ATen/ATen.h>
#include <ATen/core/LegacyTypeDispatch.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "exec/model/mamba.h"
#include "exec/model/mlp.h"
#include "exec/model/rope.h"
#include "exec/model/step_rows.h"
#include "exec/model/weights.h"
#include "exec/operators/operators.h"
#include "traces/check.h"

namespace scsim::exec {
namespace {

std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

// The rows of a step by kind, to which the work they share is counted in proportion.
struct Rows {
  std::int64_t prefill = 0, decode = 0;
  Stage stage() const { return prefill > 0 ? Stage::kGeneration : Stage::kDecode; }
};

void count_operations(Measure& measure, const Rows& rows, double operations) {
  const double all = static_cast<double>(rows.prefill + rows.decode);
  const auto add = [&](Stage stage, std::int64_t share) {
    measure.counts[static_cast<std::size_t>(stage)].operations +=
        operations * static_cast<double>(share) / all;
  };
  add(Stage::kGeneration, rows.prefill);
  add(Stage::kDecode, rows.decode);
}

}  // namespace

struct Model::State {
  State(const Checkpoint& checkpoint, const ModelOptions& chosen)
      : config(checkpoint.config()),
        options(chosen),
        weights(load_weights(checkpoint, chosen.device, chosen.type)),
        rope(config.rope, chosen.device, chosen.type),
        memory(std::make_shared<KvMemory>(KvMemoryOptions{
            // Where no layer attends there are no pages.
            .head_dim = std::max<std::int64_t>(1, config.attention.head_dim),
            .page_tokens = chosen.page_tokens,
            .device = chosen.device,
            .type = chosen.type,
            .max_pages = config.attention_layers() * config.attention.kv_heads *
                         ceil_div(chosen.max_cached_tokens, chosen.page_tokens)})) {
    // A cache has the layers that attend first, so that methods see no others.
    std::int64_t attending = 0, recurrent = config.attention_layers();
    for (std::int64_t i = 0; i < config.layers; ++i) {
      cache_layers.push_back(config.attends(i) ? attending++ : recurrent++);
    }
  }

  Expected<void> check_tokens(std::span<const SequenceStep> steps) const;
  at::Tensor embed(std::span<const SequenceStep> steps, std::int64_t rows) const;
  RopeTable::Rows rope_rows(std::span<const SequenceStep> steps,
                            std::span<const SequenceRows> sequences);
  // What a layer makes of its normed input, before its projection out [rows, ...]: attention, or
  // the recurrence. Undefined: no page was left.
  at::Tensor mix(std::span<const SequenceStep> steps, std::span<const SequenceRows> sequences,
                 std::int64_t layer, const at::Tensor& h, const RopeTable::Rows& rope_rows,
                 const Rows& rows, Measure& measure);
  // Attention of every sequence [rows, query_heads * head_dim]; undefined: no page was left.
  at::Tensor attend(std::span<const SequenceStep> steps, std::span<const SequenceRows> sequences,
                    std::int64_t layer, const at::Tensor& qkv, const RopeTable::Rows& rope_rows,
                    Measure& measure);
  at::Tensor move_keys(const at::Tensor& keys, std::int64_t by);
  Expected<at::Tensor> run(std::span<const SequenceStep> steps, bool all_logits, Measure& measure);

  ModelConfig config;
  ModelOptions options;
  ModelWeights weights;
  RopeTable rope;
  std::shared_ptr<KvMemory> memory;
  std::vector<std::int64_t> cache_layers;  // of each layer its number in a cache
};

Expected<void> Model::State::check_tokens(std::span<const SequenceStep> steps) const {
  for (const SequenceStep& step : steps) {
    SCSIM_CHECK(!step.tokens.empty());
    SCSIM_CHECK(!step.decode || step.tokens.size() == 1);
    for (std::size_t i = 0; i < step.tokens.size(); ++i) {
      if (step.tokens[i] >= 0 && step.tokens[i] < config.vocabulary) continue;
      return Error{config.name + " knows tokens 0 to " + std::to_string(config.vocabulary - 1) +
                   "; found " + std::to_string(step.tokens[i]) + " as number " + std::to_string(i) +
                   " of " + std::to_string(step.tokens.size()) +
                   ": was it made by another model's tokenizer?"};
    }
  }
  return {};
}

at::Tensor Model::State::embed(std::span<const SequenceStep> steps, std::int64_t rows) const {
  at::Tensor ids = at::empty({rows}, at::kInt);
  std::int32_t* to = ids.mutable_data_ptr<std::int32_t>();
  for (const SequenceStep& step : steps) to = std::ranges::copy(step.tokens, to).out;
  return weights.embedding.index_select(0, ids.to(options.device));
}

RopeTable::Rows Model::State::rope_rows(std::span<const SequenceStep> steps,
                                        std::span<const SequenceRows> sequences) {
  if (config.rope.rotary_dim == 0) return {};
  if (steps.size() == 1) {
    return rope.range(steps[0].cache->tokens_seen(), std::ssize(steps[0].tokens));
  }
  std::vector<std::int64_t> positions;
  for (const SequenceRows& rows : sequences) {
    positions.insert(positions.end(), rows.positions.begin(), rows.positions.end());
  }
  return rope.at(positions);
}

at::Tensor Model::State::attend(std::span<const SequenceStep> steps,
                                std::span<const SequenceRows> sequences, std::int64_t layer,
                                const at::Tensor& qkv, const RopeTable::Rows& angles,
                                Measure& measure) {
  const AttentionConfig& shape = config.attention;
  const LayerWeights& of = weights.layers[static_cast<std::size_t>(layer)];
  const std::int64_t rows = qkv.size(0);
  const at::Tensor heads = qkv.view({rows, shape.query_heads + 2 * shape.kv_heads, shape.head_dim});
  at::Tensor q = heads.narrow(1, 0, shape.query_heads);
  at::Tensor k = heads.narrow(1, shape.query_heads, shape.kv_heads);
  const at::Tensor v = heads.narrow(1, shape.query_heads + shape.kv_heads, shape.kv_heads);
  if (shape.qk_norm) {
    q = rms_norm(q.contiguous(), of.query_norm, config.norm_epsilon);
    k = rms_norm(k.contiguous(), of.key_norm, config.norm_epsilon);
  }
  if (angles.cos.defined()) {
    apply_rope(q, angles.cos, angles.sin, config.rope.interleaved);
    apply_rope(k, angles.cos, angles.sin, config.rope.interleaved);
  }

  std::vector<at::Tensor> outputs;
  std::int64_t from = 0;
  for (std::size_t s = 0; s < steps.size(); ++s) {
    const SequenceStep& sequence = steps[s];
    const SequenceRows& of_sequence = sequences[s];
    const std::int64_t count = std::ssize(of_sequence.positions);
    LayerStep step{.layer = cache_layers[static_cast<std::size_t>(layer)],
                   .num_layers = config.attention_layers(),
                   .first_position = sequence.cache->tokens_seen(),
                   .cache = *sequence.cache,
                   .q = q.narrow(0, from, count),
                   .k = k.narrow(0, from, count),
                   .v = v.narrow(0, from, count),
                   .scale = 1 / std::sqrt(static_cast<double>(shape.head_dim)),
                   .sliding_window = shape.sliding_window,
                   .first_prefill = sequence.first_prefill,
                   .last_chunk = sequence.last_chunk,
                   .measure = measure,
                   .move_keys = [this](const at::Tensor& keys, std::int64_t by) {
                     return move_keys(keys, by);
                   }};
    if (of_sequence.narrowed) step.positions = of_sequence.positions;
    from += count;
    if (sequence.decode) {
      const MeasuredStage stage(measure, Stage::kLoading);
      outputs.push_back(sequence.method->attend_decode(step));
      if (!outputs.back().defined()) return {};
    } else {
      {
        const MeasuredStage stage(measure, Stage::kGeneration);
        outputs.push_back(sequence.method->attend_prefill(step));
      }
      if (!outputs.back().defined()) return {};
      const MeasuredStage stage(measure, Stage::kCompression);
      if (!sequence.method->compress(step)) return {};
    }
  }
  const at::Tensor out = outputs.size() == 1 ? outputs.front() : at::cat(outputs);
  return out.reshape({rows, shape.query_heads * shape.head_dim});
}

// A rotation by the angles of position |by|, one way or the other; keys have RoPE's factor already.
at::Tensor Model::State::move_keys(const at::Tensor& keys, std::int64_t by) {
  const RopeTable::Rows turn = rope.range(std::abs(by), 1);
  const double factor = rope_attention_factor(config.rope);
  const auto rows = [&](const at::Tensor& of, double divisor) {
    return (of / divisor).expand({keys.size(0), -1}).contiguous();
  };
  at::Tensor moved = keys.clone(at::MemoryFormat::Contiguous);
  apply_rope(moved, rows(turn.cos, factor), rows(turn.sin, by < 0 ? -factor : factor),
             config.rope.interleaved);
  return moved;
}

at::Tensor Model::State::mix(std::span<const SequenceStep> steps,
                             std::span<const SequenceRows> sequences, std::int64_t number,
                             const at::Tensor& h, const RopeTable::Rows& angles, const Rows& rows,
                             Measure& measure) {
  const LayerWeights& layer = weights.layers[static_cast<std::size_t>(number)];
  const bool attends = config.attends(number);
  double operations = 0;
  const at::Tensor projected = attends
                                   ? project(h, layer.qkv, layer.qkv_bias, operations)
                                   : project(h, layer.mamba.in, layer.mamba.in_bias, operations);
  count_operations(measure, rows, operations);
  if (attends) return attend(steps, sequences, number, projected, angles, measure);
  return mamba({.config = config.mamba,
                .weights = layer.mamba,
                .norm_epsilon = config.norm_epsilon,
                .cache_layer = cache_layers[static_cast<std::size_t>(number)],
                .saved_every = options.saved_every},
               steps, projected, measure);
}

Expected<at::Tensor> Model::State::run(std::span<const SequenceStep> steps, bool all_logits,
                                       Measure& measure) {
  SCSIM_CHECK(!steps.empty());
  if (Expected<void> known = check_tokens(steps); !known) return known.error();
  const at::AutoDispatchBelowADInplaceOrView no_gradients;

  Rows rows, wanted;
  std::vector<SequenceRows> sequences = all_rows(steps);
  for (const SequenceStep& step : steps) {
    (step.decode ? rows.decode : rows.prefill) += std::ssize(step.tokens);
    (step.decode ? wanted.decode : wanted.prefill) += 1;
  }
  const MeasuredStage stage(measure, rows.stage());
  measure.counts[static_cast<std::size_t>(Stage::kGeneration)].tokens += rows.prefill;
  measure.counts[static_cast<std::size_t>(Stage::kDecode)].tokens += rows.decode;

  at::Tensor x = embed(steps, rows.prefill + rows.decode);
  RopeTable::Rows angles = rope_rows(steps, sequences);
  at::Tensor delta;  // what the layer before adds to x
  const double epsilon = config.norm_epsilon;
  for (std::int64_t i = 0; i < config.layers; ++i) {
    const LayerWeights& layer = weights.layers[static_cast<std::size_t>(i)];
    if (config.attends(i)) {
      const auto onward = narrow(steps, cache_layers[static_cast<std::size_t>(i)], sequences);
      if (onward) {
        SCSIM_CHECK_EQ(config.recurrent_layers(), 0);
        const at::Tensor index = at::tensor(*onward, at::kLong).to(options.device);
        for (at::Tensor* of : {&x, &delta, &angles.cos, &angles.sin}) {
          if (of->defined()) *of = of->index_select(0, index);
        }
        rows.prefill = std::ssize(*onward) - rows.decode;
      }
    }
    at::Tensor h = delta.defined() ? add_rms_norm(x, delta, layer.input_norm, epsilon)
                                   : rms_norm(x, layer.input_norm, epsilon);
    at::Tensor mixed = mix(steps, sequences, i, h, angles, rows, measure);
    if (!mixed.defined()) {
      const KvMemoryOptions& limits = memory->options();
      return Error{"no KV page is left for " + config.name + ": at most " +
                   std::to_string(limits.max_pages) + " pages of " +
                   std::to_string(limits.page_tokens) + " tokens of a head are allowed (" +
                   std::to_string(limits.max_pages * memory->pool(KvMemory::kDevice).page_bytes()) +
                   " bytes), " + std::to_string(memory->pool(KvMemory::kDevice).pages_in_use()) +
                   " are in use; a higher limit, fewer sequences or shorter prompts would do"};
    }
    if (i + 1 == config.layers && !all_logits && x.size(0) > std::ssize(steps)) {
      // Behind the last attention or scan only the rows whose logits are wanted matter.
      const at::Tensor index = at::tensor(last_rows(sequences), at::kLong).to(options.device);
      x = x.index_select(0, index);
      mixed = mixed.index_select(0, index);
      rows = wanted;
    }
    double operations = 0;
    at::Tensor output = project(mixed, layer.output, layer.output_bias, operations);
    if (config.post_norms) output = rms_norm(output, layer.post_attention, epsilon);
    if (layer.mlps.empty()) {
      delta = output;
      count_operations(measure, rows, operations);
      continue;
    }
    h = add_rms_norm(x, output, layer.attention_norm, epsilon);
    delta = feed_forward(h, layer, config.mlp, operations);
    if (config.post_norms) delta = rms_norm(delta, layer.post_mlp, epsilon);
    count_operations(measure, rows, operations);
  }
  double operations = 0;
  const at::Tensor h = add_rms_norm(x, delta, weights.norm, epsilon);
  const at::Tensor logits = project(h, weights.head, at::Tensor(), operations).to(at::kFloat);
  count_operations(measure, rows, operations);
  for (const SequenceStep& step : steps) step.cache->advance(std::ssize(step.tokens));
  return logits;
}

Model::Model() = default;
Model::~Model() = default;

Expected<std::unique_ptr<Model>> Model::load(const Checkpoint& checkpoint,
                                             const ModelOptions& options) {
  std::unique_ptr<Model> model(new Model());
  model->state_ = std::make_unique<State>(checkpoint, options);
  return model;
}

const ModelConfig& Model::config() const { return state_->config; }
const ModelOptions& Model::options() const { return state_->options; }
KvMemory& Model::memory() { return *state_->memory; }
std::int64_t Model::weight_bytes() const { return state_->weights.bytes; }

KvCache Model::make_cache() {
  const ModelConfig& config = state_->config;
  std::vector<LayerKind> kinds(static_cast<std::size_t>(config.layers), LayerKind::kRecurrent);
  std::fill_n(kinds.begin(), config.attention_layers(), LayerKind::kPaged);
  return KvCache(
      state_->memory,
      {.layers = config.layers, .kv_heads = config.attention.kv_heads, .kinds = std::move(kinds)});
}

Expected<at::Tensor> Model::prefill(std::span<const std::int32_t> tokens, KvCache& cache,
                                    MethodRuntime& method, Measure& measure) {
  SCSIM_CHECK(!tokens.empty());
  const bool first = cache.tokens_seen() == 0;
  const std::size_t chunk = state_->options.chunk_tokens == 0
                                ? tokens.size()
                                : static_cast<std::size_t>(state_->options.chunk_tokens);
  for (std::size_t from = 0;; from += chunk) {
    const bool last = from + chunk >= tokens.size();
    const SequenceStep step{.tokens = tokens.subspan(from, std::min(chunk, tokens.size() - from)),
                            .cache = &cache,
                            .method = &method,
                            .first_prefill = first,
                            .last_chunk = last};
    Expected<at::Tensor> logits = state_->run({&step, 1}, false, measure);
    if (!logits) return logits;
    if (last) return logits->select(0, 0);
  }
}

Expected<at::Tensor> Model::prefill_all_logits(std::span<const std::int32_t> tokens, KvCache& cache,
                                               MethodRuntime& method, Measure& measure) {
  const SequenceStep step{.tokens = tokens,
                          .cache = &cache,
                          .method = &method,
                          .first_prefill = cache.tokens_seen() == 0};
  return state_->run({&step, 1}, true, measure);
}

PrefillAlone Model::prefill_alone(Measure& measure) {
  return [this, &measure](std::span<const std::int32_t> tokens) -> Expected<KvCache> {
    KvCache cache = make_cache();
    MethodRuntime full;
    const Expected<at::Tensor> logits = prefill(tokens, cache, full, measure);
    if (!logits) return logits.error();
    return cache;
  };
}

Expected<at::Tensor> Model::decode(std::int32_t token, KvCache& cache, MethodRuntime& method,
                                   Measure& measure) {
  const SequenceStep step{
      .tokens = {&token, 1}, .cache = &cache, .method = &method, .decode = true};
  Expected<at::Tensor> logits = state_->run({&step, 1}, false, measure);
  if (!logits) return logits;
  return logits->select(0, 0);
}

Expected<at::Tensor> Model::step(std::span<const SequenceStep> steps, Measure& measure) {
  return state_->run(steps, false, measure);
}

}  // namespace scsim::exec
