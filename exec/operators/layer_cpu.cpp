// merge_state and the parts of a layer between the products, on the CPU in float32.
#include <ATen/ATen.h>
#include <torch/library.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "exec/operators/checks.h"
#include "exec/operators/cpu/kernels.h"
#include "exec/operators/parallel.h"

namespace scsim::exec {
namespace {

constexpr std::int64_t kGrain = 16384;  // numbers of a row-wise operator worth a thread
constexpr std::int64_t kFewRows = 16;   // up to which cpu/ is faster than libtorch's product

std::int64_t grain_of(std::int64_t row) { return std::max<std::int64_t>(1, kGrain / row); }

void check_float(const char* name, const char* what, const at::Tensor& t) {
  TORCH_CHECK(t.scalar_type() == at::kFloat && t.device().is_cpu(), name,
              ": the CPU computes in float32; found ", what, " ", t.scalar_type(), " ", t.sizes(),
              " on ", t.device());
}

std::tuple<at::Tensor, at::Tensor> merge(const at::Tensor& out_a, const at::Tensor& lse_a,
                                         const at::Tensor& out_b, const at::Tensor& lse_b) {
  const char* name = "scsim::merge_state";
  check_merge(out_a, lse_a, out_b, lse_b);
  check_float(name, "out_a", out_a);
  check_float(name, "out_b", out_b);
  check_float(name, "lse_a", lse_a);
  check_float(name, "lse_b", lse_b);
  const at::Tensor a = out_a.contiguous(), b = out_b.contiguous();
  const at::Tensor lse_of_a = lse_a.contiguous(), lse_of_b = lse_b.contiguous();
  at::Tensor out = at::empty_like(a), lse = at::empty_like(lse_of_a);
  const std::int64_t n = a.size(-1);
  const float *a_rows = a.const_data_ptr<float>(), *b_rows = b.const_data_ptr<float>();
  const float *a_lse = lse_of_a.const_data_ptr<float>(), *b_lse = lse_of_b.const_data_ptr<float>();
  float *out_rows = out.mutable_data_ptr<float>(), *out_lse = lse.mutable_data_ptr<float>();
  parallel_ranges(lse.numel(), grain_of(n), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      const float top = std::max(a_lse[r], b_lse[r]);
      const float base = std::isinf(top) && top < 0 ? 0 : top;
      const float weight_a = std::exp(a_lse[r] - base), weight_b = std::exp(b_lse[r] - base);
      const float weight = weight_a + weight_b;
      const float share_a = weight == 0 ? 0 : weight_a / weight;
      const float share_b = weight == 0 ? 0 : weight_b / weight;
      for (std::int64_t d = r * n; d < (r + 1) * n; ++d) {
        out_rows[d] = a_rows[d] * share_a + b_rows[d] * share_b;
      }
      out_lse[r] = top + (weight == 0 ? 0 : std::log(weight));
    }
  });
  return {out, lse};
}

at::Tensor norm(const char* name, const at::Tensor& x, float* x_updated, const float* delta,
                const at::Tensor& weight, double epsilon) {
  check_float(name, "weight", weight);
  const std::int64_t n = x.size(-1);
  const at::Tensor from = x.contiguous(), scale = weight.contiguous();
  at::Tensor y = at::empty_like(from);
  const CpuKernels& kernels = cpu_kernels();
  const float *rows = from.const_data_ptr<float>(), *weights = scale.const_data_ptr<float>();
  float* to = y.mutable_data_ptr<float>();
  parallel_ranges(n == 0 ? 0 : from.numel() / n, grain_of(std::max<std::int64_t>(n, 1)),
                  [&](std::int64_t begin, std::int64_t end) {
                    for (std::int64_t r = begin; r < end; ++r) {
                      const std::int64_t at = r * n;
                      kernels.rms_norm(delta ? x_updated + at : nullptr, rows + at,
                                       delta ? delta + at : nullptr, weights, n,
                                       static_cast<float>(epsilon), to + at);
                    }
                  });
  return y;
}

at::Tensor rms_norm_rows(const at::Tensor& x, const at::Tensor& weight, double epsilon) {
  check_norm("scsim::rms_norm", x, weight);
  check_float("scsim::rms_norm", "x", x);
  return norm("scsim::rms_norm", x, nullptr, nullptr, weight, epsilon);
}

at::Tensor add_rms_norm_rows(at::Tensor& x, const at::Tensor& delta, const at::Tensor& weight,
                             double epsilon) {
  const char* name = "scsim::add_rms_norm";
  check_norm(name, x, weight);
  check_float(name, "x", x);
  check_float(name, "delta", delta);
  TORCH_CHECK(x.is_contiguous(), name, ": x is updated in place and must be contiguous");
  TORCH_CHECK(delta.sizes() == x.sizes(), name, ": delta must have the shape of x, ", x.sizes(),
              "; found ", delta.sizes());
  const at::Tensor added = delta.contiguous();
  return norm(name, x, x.mutable_data_ptr<float>(), added.const_data_ptr<float>(), weight, epsilon);
}

at::Tensor silu_and_multiply_rows(const at::Tensor& gate_up) {
  check_gate_up(gate_up);
  check_float("scsim::silu_and_multiply", "gate_up", gate_up);
  const at::Tensor from = gate_up.contiguous();
  const std::int64_t rows = from.size(0), n = from.size(1) / 2;
  at::Tensor y = at::empty({rows, n}, from.options());
  const CpuKernels& kernels = cpu_kernels();
  const float* gates = from.const_data_ptr<float>();
  float* to = y.mutable_data_ptr<float>();
  parallel_ranges(rows, grain_of(std::max<std::int64_t>(n, 1)),
                  [&](std::int64_t begin, std::int64_t end) {
                    for (std::int64_t r = begin; r < end; ++r) {
                      const float* gate = gates + r * 2 * n;
                      kernels.silu_and_multiply(gate, gate + n, n, to + r * n);
                    }
                  });
  return y;
}

void rope_rows(at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin, bool interleaved) {
  const char* name = "scsim::apply_rope";
  check_rope(x, cos, sin);
  check_float(name, "x", x);
  check_float(name, "cos", cos);
  check_float(name, "sin", sin);
  TORCH_CHECK(x.stride(2) == 1, name, ": the numbers of a head must lie together");
  const at::Tensor cosines = cos.contiguous(), sines = sin.contiguous();
  const std::int64_t heads = x.size(1), half = cos.size(1);
  const std::int64_t row_stride = x.stride(0), head_stride = x.stride(1);
  const CpuKernels& kernels = cpu_kernels();
  float* to = x.mutable_data_ptr<float>();
  const float *c = cosines.const_data_ptr<float>(), *s = sines.const_data_ptr<float>();
  parallel_ranges(x.size(0), grain_of(std::max<std::int64_t>(2 * half * heads, 1)),
                  [&](std::int64_t begin, std::int64_t end) {
                    for (std::int64_t r = begin; r < end; ++r) {
                      for (std::int64_t h = 0; h < heads; ++h) {
                        kernels.rope(to + r * row_stride + h * head_stride, c + r * half,
                                     s + r * half, half, interleaved);
                      }
                    }
                  });
}

at::Tensor linear_rows(const at::Tensor& x, const at::Tensor& weight, const OptionalTensor& bias) {
  const char* name = "scsim::linear";
  check_linear(x, weight, bias);
  check_float(name, "x", x);
  check_float(name, "weight", weight);
  if (bias) check_float(name, "bias", *bias);
  const std::int64_t rows = x.size(0), inputs = x.size(1), outputs = weight.size(0);
  if (rows > kFewRows || !weight.is_contiguous()) return at::linear(x, weight, bias);
  const at::Tensor from = x.contiguous();
  const at::Tensor added = bias ? bias->contiguous() : at::Tensor();
  at::Tensor y = at::empty({rows, outputs}, x.options());
  const float *x_rows = from.const_data_ptr<float>(), *weights = weight.const_data_ptr<float>();
  const float* bias_of = bias ? added.const_data_ptr<float>() : nullptr;
  float* to = y.mutable_data_ptr<float>();
  const CpuKernels& kernels = cpu_kernels();
  // In pieces of whole blocks of eight outputs, so that who computes what does not change a sum.
  const std::int64_t piece = 8 * grain_of(std::max<std::int64_t>(8 * inputs, 1));
  parallel_runs((outputs + piece - 1) / piece, 0, [&](std::int64_t i, float*) {
    const std::int64_t first = i * piece;
    kernels.dot_rows(x_rows, rows, inputs, weights + first * inputs,
                     std::min(piece, outputs - first), inputs, bias_of ? bias_of + first : nullptr,
                     to + first, outputs);
  });
  return y;
}

}  // namespace

TORCH_LIBRARY_IMPL(scsim, CPU, library) {
  library.impl("merge_state", &merge);
  library.impl("rms_norm", &rms_norm_rows);
  library.impl("add_rms_norm", &add_rms_norm_rows);
  library.impl("silu_and_multiply", &silu_and_multiply_rows);
  library.impl("apply_rope", &rope_rows);
  library.impl("linear", &linear_rows);
}

}  // namespace scsim::exec
