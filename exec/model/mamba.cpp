#include "exec/model/mamba.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <functional>
#include <vector>

#include "exec/model/mlp.h"
#include "exec/operators/operators.h"

namespace scsim::exec {
namespace {

constexpr std::int64_t kChunk = 64;  // of a scan by matrix products

// Rows of one sequence through convolution and scan; `state` is the cache's: inputs of the
// convolution, then the scan's.
using Scan = std::function<at::Tensor(const at::Tensor& rows, std::span<at::Tensor> state)>;

void start_state(const MambaLayer& layer, KvCache& cache, Measure& measure, at::Device device) {
  if (!cache.state(layer.cache_layer).empty()) return;
  const MambaConfig& config = layer.config;
  const auto options = at::TensorOptions().dtype(at::kFloat).device(device);
  at::Tensor scanned = config.version == 2
                           ? at::zeros({1, config.heads, config.state, config.head_dim}, options)
                           : at::zeros({1, config.state, config.inner}, options);
  cache.set_state(
      layer.cache_layer,
      {at::zeros({1, config.conv_kernel - 1, config.conv_channels()}, options), std::move(scanned)},
      measure);
}

// Of `tokens` tokens of one sequence, as the operators do it: one after another, or in chunks.
double scan_operations(const MambaConfig& config, std::int64_t tokens) {
  const double conv = 2.0 * static_cast<double>(config.conv_kernel * config.conv_channels());
  const double state = static_cast<double>(config.state * config.inner);
  const double t = static_cast<double>(tokens);
  if (config.version == 1 || tokens == 1) return t * (conv + 5 * state);
  double pairs = 0;
  for (std::int64_t left = tokens; left > 0; left -= kChunk) {
    const double chunk = static_cast<double>(std::min(left, kChunk));
    pairs += chunk * (chunk + 1) / 2;
  }
  return t * (conv + 4 * state) +
         2 * pairs * static_cast<double>(config.groups * config.state + config.inner);
}

// Every sequence's rows [count, width] through `scan`, cut where a state is to be saved.
at::Tensor of_sequences(const MambaLayer& layer, std::span<const SequenceStep> steps,
                        const at::Tensor& rows, Measure& measure, const Scan& scan) {
  std::vector<at::Tensor> parts;
  std::int64_t from = 0;
  for (const SequenceStep& sequence : steps) {
    const MeasuredStage stage(measure, sequence.decode ? Stage::kLoading : Stage::kGeneration);
    KvCache& cache = *sequence.cache;
    start_state(layer, cache, measure, rows.device());
    const std::int64_t end = from + std::ssize(sequence.tokens);
    std::int64_t position = cache.tokens_seen();
    while (from < end) {
      std::int64_t count = end - from;
      if (layer.saved_every > 0) {
        count = std::min(count, layer.saved_every - position % layer.saved_every);
      }
      parts.push_back(
          scan(rows.narrow(0, from, count), cache.mutable_state(layer.cache_layer, measure)));
      measure.now().bytes_read += layer.config.state_bytes();
      measure.now().operations += scan_operations(layer.config, count);
      from += count;
      position += count;
      if (layer.saved_every > 0 && position % layer.saved_every == 0) {
        cache.save_point(layer.cache_layer, position);
      }
    }
  }
  return parts.size() == 1 ? parts.front() : at::cat(parts);
}

c10::optional<at::Tensor> optional(const at::Tensor& t) {
  return t.defined() ? c10::optional<at::Tensor>(t) : c10::nullopt;
}

// Rows are gate, convolved channels (x, b and c) and time steps.
at::Tensor mamba_2(const MambaLayer& layer, std::span<const SequenceStep> steps,
                   const at::Tensor& projected, Measure& measure) {
  const MambaConfig& config = layer.config;
  const MambaWeights& weights = layer.weights;
  const std::int64_t inner = config.inner, wide = config.groups * config.state;
  const Scan scan = [&](const at::Tensor& rows, std::span<at::Tensor> state) {
    const std::int64_t count = rows.size(0);
    const at::Tensor mixed = causal_conv(rows.narrow(1, inner, config.conv_channels()).unsqueeze(0),
                                         weights.conv, optional(weights.conv_bias), state[0])
                                 .squeeze(0);
    at::Tensor time_step =
        at::softplus(rows.narrow(1, inner + config.conv_channels(), config.heads).to(at::kFloat) +
                     weights.time_bias);
    time_step.clamp_(config.time_step_min, config.time_step_max);
    const at::Tensor x = mixed.narrow(1, 0, inner).view({count, config.heads, config.head_dim});
    const auto grouped = [&](std::int64_t first) {
      return mixed.narrow(1, first, wide).view({count, config.groups, config.state});
    };
    const at::Tensor b = grouped(inner), c = grouped(inner + wide);
    const at::Tensor y =
        count == 1 ? ssd_step(x, time_step, weights.decay, b, c, weights.skip, state[1])
                   : ssd_scan(x.unsqueeze(0), time_step.unsqueeze(0), weights.decay, b.unsqueeze(0),
                              c.unsqueeze(0), weights.skip, state[1], kChunk);
    return y.view({count, inner});
  };
  const at::Tensor y = of_sequences(layer, steps, projected, measure, scan);
  const at::Tensor gated = at::silu(projected.narrow(1, 0, inner)).mul_(y);
  if (config.groups == 1) return rms_norm(gated, weights.norm, layer.norm_epsilon);
  const at::Tensor groups = gated.view({-1, inner / config.groups});
  return rms_norm(groups, at::ones_like(groups[0]), layer.norm_epsilon)
      .view({-1, inner})
      .mul_(weights.norm);
}

// Rows are convolved channels and gate; time step, b and c are made of what is convolved.
at::Tensor mamba_1(const MambaLayer& layer, std::span<const SequenceStep> steps,
                   const at::Tensor& projected, Measure& measure) {
  const MambaConfig& config = layer.config;
  const MambaWeights& weights = layer.weights;
  const std::int64_t inner = config.inner, rank = config.time_step_rank;
  const auto normed = [&](const at::Tensor& t, const at::Tensor& norm) {
    return norm.defined() ? rms_norm(t.contiguous(), norm, layer.norm_epsilon) : t;
  };
  const Scan scan = [&](const at::Tensor& rows, std::span<at::Tensor> state) {
    const at::Tensor x = causal_conv(rows.narrow(1, 0, inner).unsqueeze(0), weights.conv,
                                     optional(weights.conv_bias), state[0])
                             .squeeze(0);
    double& operations = measure.now().operations;
    const at::Tensor selected = project(x, weights.select, at::Tensor(), operations);
    const at::Tensor few = normed(selected.narrow(1, 0, rank), weights.time_norm);
    const at::Tensor time_step = at::softplus(
        project(few.contiguous(), weights.time, at::Tensor(), operations).to(at::kFloat) +
        weights.time_bias);
    const at::Tensor b = normed(selected.narrow(1, rank, config.state), weights.b_norm);
    const at::Tensor c =
        normed(selected.narrow(1, rank + config.state, config.state), weights.c_norm);
    return selective_scan(x.unsqueeze(0), time_step.unsqueeze(0), weights.decay, b.unsqueeze(0),
                          c.unsqueeze(0), weights.skip, state[1])
        .squeeze(0);
  };
  const at::Tensor y = of_sequences(layer, steps, projected, measure, scan);
  return at::silu(projected.narrow(1, inner, inner)).mul_(y);
}

}  // namespace

at::Tensor mamba(const MambaLayer& layer, std::span<const SequenceStep> steps,
                 const at::Tensor& projected, Measure& measure) {
  return layer.config.version == 2 ? mamba_2(layer, steps, projected, measure)
                                   : mamba_1(layer, steps, projected, measure);
}

}  // namespace scsim::exec
