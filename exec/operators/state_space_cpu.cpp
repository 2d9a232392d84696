// Recurrent layers on the CPU in float32.
#include <ATen/ATen.h>
#include <torch/library.h>

#include <algorithm>
#include <vector>

#include "exec/operators/checks.h"
#include "exec/operators/cpu/kernels.h"
#include "exec/operators/parallel.h"

namespace scsim::exec {
namespace {

constexpr std::int64_t kGrain = 16384;       // numbers worth a thread
constexpr std::int64_t kBlockTokens = 1024;  // of a scan, between which heads wait for each other
constexpr std::int64_t kChannels = 16;       // of an item of a selective scan

std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

// Tensors whose rows may be parts of wider ones: the numbers of a token lie together.
at::Tensor with_rows(const char* name, const char* what, const at::Tensor& t,
                     std::int64_t row_dims) {
  TORCH_CHECK(t.scalar_type() == at::kFloat && t.device().is_cpu(), name,
              ": the CPU computes in float32; found ", what, " ", t.scalar_type(), " ", t.sizes(),
              " on ", t.device());
  std::int64_t expected = 1;
  for (std::int64_t d = t.dim() - 1; d >= t.dim() - row_dims; --d) {
    if (t.size(d) != 1 && t.stride(d) != expected) return t.contiguous();
    expected *= t.size(d);
  }
  return t;
}

at::Tensor whole(const char* name, const char* what, const at::Tensor& t) {
  return with_rows(name, what, t, t.dim()).contiguous();
}

at::Tensor causal_conv_rows(const at::Tensor& x, const at::Tensor& weight,
                            const OptionalTensor& bias, at::Tensor& state) {
  const char* name = "scsim::causal_conv";
  check_conv(x, weight, bias, state);
  const at::Tensor from = with_rows(name, "x", x, 1), weights = whole(name, "weight", weight);
  const at::Tensor added = bias ? whole(name, "bias", *bias) : at::Tensor();
  const std::int64_t batch = x.size(0), tokens = x.size(1), channels = x.size(2);
  const std::int64_t kernel = weight.size(0), before = kernel - 1;
  at::Tensor y = at::empty({batch, tokens, channels}, x.options());
  // Input i of sequence s, counted from the first one of the state.
  float* states = state.mutable_data_ptr<float>();
  const float* inputs = from.const_data_ptr<float>();
  const std::int64_t batch_stride = from.stride(0), row_stride = from.stride(1);
  const auto input = [&](std::int64_t s, std::int64_t i) {
    return i < before ? states + (s * before + i) * channels
                      : inputs + s * batch_stride + (i - before) * row_stride;
  };
  const CpuKernels& kernels = cpu_kernels();
  const float* taps = weights.const_data_ptr<float>();
  const float* bias_of = bias ? added.const_data_ptr<float>() : nullptr;
  float* to = y.mutable_data_ptr<float>();
  const std::int64_t grain =
      std::max<std::int64_t>(1, kGrain / std::max<std::int64_t>(channels, 1));
  parallel_ranges(batch * tokens, grain, [&](std::int64_t begin, std::int64_t end) {
    std::vector<const float*> rows(static_cast<std::size_t>(kernel));
    for (std::int64_t row = begin; row < end; ++row) {
      const std::int64_t s = row / tokens, t = row % tokens;
      for (std::int64_t k = 0; k < kernel; ++k) rows[static_cast<std::size_t>(k)] = input(s, t + k);
      kernels.conv_row(rows.data(), kernel, taps, bias_of, channels, to + row * channels);
    }
  });
  for (std::int64_t s = 0; s < batch; ++s) {
    for (std::int64_t i = 0; i < before;
         ++i) {  // ascending: each is read before it is written over
      const float* last = input(s, tokens + i);
      std::copy_n(last, channels, states + (s * before + i) * channels);
    }
  }
  return y;
}

at::Tensor ssd_scan_rows(const at::Tensor& x, const at::Tensor& time_step, const at::Tensor& decay,
                         const at::Tensor& b, const at::Tensor& c, const at::Tensor& skip,
                         at::Tensor& state, std::int64_t chunk) {
  const char* name = "scsim::ssd_scan";
  check_ssd(name, x, time_step, decay, b, c, skip, state);
  TORCH_CHECK(chunk > 0, name, ": chunk must be positive; found ", chunk);
  const at::Tensor inputs = with_rows(name, "x", x, 2);
  const at::Tensor steps = with_rows(name, "time_step", time_step, 1);
  const at::Tensor b_rows = with_rows(name, "b", b, 2), c_rows = with_rows(name, "c", c, 2);
  const at::Tensor decays = whole(name, "decay", decay), skips = whole(name, "skip", skip);
  const std::int64_t batch = x.size(0), tokens = x.size(1), heads = x.size(2), head_dim = x.size(3);
  const std::int64_t groups = b.size(2), size = b.size(3);
  at::Tensor y = at::empty({batch, tokens, heads, head_dim}, x.options());
  chunk = std::min(chunk, std::max<std::int64_t>(tokens, 1));
  const std::int64_t padded = ceil_div(chunk, 8) * 8;
  const std::int64_t block_chunks =
      std::max<std::int64_t>(1, std::min(ceil_div(kBlockTokens, chunk), ceil_div(tokens, chunk)));
  const std::int64_t columns = size * padded, shared_floats = columns + chunk * padded;
  at::Tensor shared_memory =
      at::empty({batch * groups * block_chunks * shared_floats}, x.options());
  float* memory = shared_memory.mutable_data_ptr<float>();

  const float *x_of = inputs.const_data_ptr<float>(), *steps_of = steps.const_data_ptr<float>();
  const float *b_of = b_rows.const_data_ptr<float>(), *c_of = c_rows.const_data_ptr<float>();
  const float *decay_of = decays.const_data_ptr<float>(), *skip_of = skips.const_data_ptr<float>();
  float *states = state.mutable_data_ptr<float>(), *to = y.mutable_data_ptr<float>();
  const CpuKernels& kernels = cpu_kernels();
  for (std::int64_t block = 0; block < tokens; block += block_chunks * chunk) {
    const std::int64_t chunks = ceil_div(std::min(block_chunks * chunk, tokens - block), chunk);
    const auto shared = [&](std::int64_t s, std::int64_t g, std::int64_t i) {
      const std::int64_t first = block + i * chunk;
      float* of = memory + ((s * groups + g) * block_chunks + i) * shared_floats;
      return SsdShared{.b = b_of + s * b_rows.stride(0) + first * b_rows.stride(1) + g * size,
                       .c = c_of + s * c_rows.stride(0) + first * c_rows.stride(1) + g * size,
                       .b_stride = b_rows.stride(1),
                       .c_stride = c_rows.stride(1),
                       .tokens = std::min(chunk, tokens - first),
                       .state = size,
                       .padded = padded,
                       .b_columns = of,
                       .scores = of + columns};
    };
    parallel_items(batch * groups * chunks, 0, [&](std::int64_t item, float*) {
      const std::int64_t i = item % chunks, g = item / chunks % groups, s = item / chunks / groups;
      kernels.ssd_share(shared(s, g, i));
    });
    parallel_items(
        batch * heads, kernels.ssd_scratch(chunk, head_dim),
        [&](std::int64_t item, float* scratch) {
          const std::int64_t s = item / heads, h = item % heads;
          for (std::int64_t i = 0; i < chunks; ++i) {
            const std::int64_t first = block + i * chunk;
            const SsdShared of_group = shared(s, h / (heads / groups), i);
            kernels.ssd_chunk(
                {.shared = of_group,
                 .x = x_of + s * inputs.stride(0) + first * inputs.stride(1) + h * head_dim,
                 .x_stride = inputs.stride(1),
                 .time_step = steps_of + s * steps.stride(0) + first * steps.stride(1) + h,
                 .time_stride = steps.stride(1),
                 .decay = decay_of[h],
                 .skip = skip_of[h],
                 .head_dim = head_dim,
                 .carried = states + item * size * head_dim,
                 .y = to + ((s * tokens + first) * heads + h) * head_dim,
                 .y_stride = heads * head_dim},
                scratch);
          }
        });
  }
  return y;
}

at::Tensor ssd_step_rows(const at::Tensor& x, const at::Tensor& time_step, const at::Tensor& decay,
                         const at::Tensor& b, const at::Tensor& c, const at::Tensor& skip,
                         at::Tensor& state) {
  const char* name = "scsim::ssd_step";
  TORCH_CHECK(x.dim() == 3 && time_step.dim() == 2 && b.dim() == 3 && c.dim() == 3, name,
              ": x must be [batch, heads, head_dim], time_step [batch, heads], b and c [batch, "
              "groups, state]; found ",
              x.sizes(), ", ", time_step.sizes(), ", ", b.sizes(), " and ", c.sizes());
  check_ssd(name, x.unsqueeze(1), time_step.unsqueeze(1), decay, b.unsqueeze(1), c.unsqueeze(1),
            skip, state);
  const at::Tensor inputs = with_rows(name, "x", x, 2);
  const at::Tensor steps = whole(name, "time_step", time_step);
  const at::Tensor b_rows = with_rows(name, "b", b, 2), c_rows = with_rows(name, "c", c, 2);
  const at::Tensor decays = whole(name, "decay", decay), skips = whole(name, "skip", skip);
  const std::int64_t batch = x.size(0), heads = x.size(1), head_dim = x.size(2);
  const std::int64_t groups = b.size(1), size = b.size(2);
  at::Tensor y = at::empty({batch, heads, head_dim}, x.options());
  const float *x_of = inputs.const_data_ptr<float>(), *steps_of = steps.const_data_ptr<float>();
  const float *b_of = b_rows.const_data_ptr<float>(), *c_of = c_rows.const_data_ptr<float>();
  const float *decay_of = decays.const_data_ptr<float>(), *skip_of = skips.const_data_ptr<float>();
  float *states = state.mutable_data_ptr<float>(), *to = y.mutable_data_ptr<float>();
  const CpuKernels& kernels = cpu_kernels();
  const std::int64_t grain =
      std::max<std::int64_t>(1, kGrain / std::max<std::int64_t>(1, size * head_dim));
  parallel_ranges(batch * heads, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t item = begin; item < end; ++item) {
      const std::int64_t s = item / heads, h = item % heads, g = h / (heads / groups);
      kernels.ssd_step(x_of + s * inputs.stride(0) + h * head_dim, steps_of[item], decay_of[h],
                       b_of + s * b_rows.stride(0) + g * size,
                       c_of + s * c_rows.stride(0) + g * size, skip_of[h], size, head_dim,
                       states + item * size * head_dim, to + item * head_dim);
    }
  });
  return y;
}

at::Tensor selective_scan_rows(const at::Tensor& x, const at::Tensor& time_step,
                               const at::Tensor& decay, const at::Tensor& b, const at::Tensor& c,
                               const at::Tensor& skip, at::Tensor& state) {
  const char* name = "scsim::selective_scan";
  check_selective(x, time_step, decay, b, c, skip, state);
  const at::Tensor inputs = with_rows(name, "x", x, 1);
  const at::Tensor steps = with_rows(name, "time_step", time_step, 1);
  const at::Tensor b_rows = with_rows(name, "b", b, 1), c_rows = with_rows(name, "c", c, 1);
  const at::Tensor decays = whole(name, "decay", decay), skips = whole(name, "skip", skip);
  const std::int64_t batch = x.size(0), tokens = x.size(1), channels = x.size(2);
  const std::int64_t size = decay.size(0);
  at::Tensor y = at::empty({batch, tokens, channels}, x.options());
  const float *x_of = inputs.const_data_ptr<float>(), *steps_of = steps.const_data_ptr<float>();
  const float *b_of = b_rows.const_data_ptr<float>(), *c_of = c_rows.const_data_ptr<float>();
  const float *decay_of = decays.const_data_ptr<float>(), *skip_of = skips.const_data_ptr<float>();
  float *states = state.mutable_data_ptr<float>(), *to = y.mutable_data_ptr<float>();
  const CpuKernels& kernels = cpu_kernels();
  const std::int64_t parts = ceil_div(channels, kChannels);
  parallel_items(batch * parts, kernels.selective_scratch(size),
                 [&](std::int64_t item, float* scratch) {
                   const std::int64_t s = item / parts, first = item % parts * kChannels;
                   kernels.selective_scan({.x = x_of + s * inputs.stride(0) + first,
                                           .time_step = steps_of + s * steps.stride(0) + first,
                                           .b = b_of + s * b_rows.stride(0),
                                           .c = c_of + s * c_rows.stride(0),
                                           .x_stride = inputs.stride(1),
                                           .time_stride = steps.stride(1),
                                           .b_stride = b_rows.stride(1),
                                           .c_stride = c_rows.stride(1),
                                           .decay = decay_of + first,
                                           .skip = skip_of + first,
                                           .tokens = tokens,
                                           .state = size,
                                           .channels = std::min(kChannels, channels - first),
                                           .row_stride = channels,
                                           .carried = states + s * size * channels + first,
                                           .y = to + s * tokens * channels + first,
                                           .y_stride = channels},
                                          scratch);
                 });
  return y;
}

}  // namespace

TORCH_LIBRARY_IMPL(scsim, CPU, library) {
  library.impl("causal_conv", &causal_conv_rows);
  library.impl("ssd_scan", &ssd_scan_rows);
  library.impl("ssd_step", &ssd_step_rows);
  library.impl("selective_scan", &selective_scan_rows);
}

}  // namespace scsim::exec
