#include <ATen/ATen.h>
#include <torch/library.h>

#include <limits>

#include "exec/operators/generic.h"

namespace scsim::exec::generic {

std::tuple<at::Tensor, at::Tensor> merge_state(const at::Tensor& out_a, const at::Tensor& lse_a,
                                               const at::Tensor& out_b, const at::Tensor& lse_b) {
  check_merge(out_a, lse_a, out_b, lse_b);
  const at::Tensor lse = at::logaddexp(lse_a, lse_b);
  const at::Tensor base = lse.masked_fill(lse == -std::numeric_limits<double>::infinity(), 0);
  const auto share = [&](const at::Tensor& out, const at::Tensor& part) {
    return out.to(base.scalar_type()) * (part - base).exp().unsqueeze(-1);
  };
  return {(share(out_a, lse_a) + share(out_b, lse_b)).to(out_a.scalar_type()), lse};
}

at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double epsilon) {
  check_norm("scsim::rms_norm", x, weight);
  const at::Tensor wide = x.to(at::kFloat);
  const at::Tensor mean = wide.square().mean(-1, /*keepdim=*/true);
  return (wide * (mean + epsilon).rsqrt()).to(x.scalar_type()) * weight;
}

at::Tensor add_rms_norm(at::Tensor& x, const at::Tensor& delta, const at::Tensor& weight,
                        double epsilon) {
  check_norm("scsim::add_rms_norm", x, weight);
  x.add_(delta);
  return generic::rms_norm(x, weight, epsilon);
}

at::Tensor silu_and_multiply(const at::Tensor& gate_up) {
  check_gate_up(gate_up);
  const std::int64_t n = gate_up.size(1) / 2;
  return at::silu(gate_up.narrow(1, 0, n)) * gate_up.narrow(1, n, n);
}

void apply_rope(at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin, bool interleaved) {
  check_rope(x, cos, sin);
  const std::int64_t half = cos.size(1);
  at::Tensor first = interleaved ? x.slice(2, 0, 2 * half, 2) : x.narrow(2, 0, half);
  at::Tensor second = interleaved ? x.slice(2, 1, 2 * half, 2) : x.narrow(2, half, half);
  const at::Tensor a = first.to(cos.scalar_type(), /*non_blocking=*/false, /*copy=*/true);
  const at::Tensor b = second.to(cos.scalar_type(), /*non_blocking=*/false, /*copy=*/true);
  const at::Tensor c = cos.unsqueeze(1), s = sin.unsqueeze(1);
  first.copy_(a * c - b * s);
  second.copy_(b * c + a * s);
}

at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const OptionalTensor& bias) {
  check_linear(x, weight, bias);
  return at::linear(x, weight, bias);
}

TORCH_LIBRARY_IMPL(scsim, CompositeExplicitAutograd, library) {
  library.impl("merge_state", &merge_state);
  library.impl("rms_norm", &generic::rms_norm);
  library.impl("add_rms_norm", &add_rms_norm);
  library.impl("silu_and_multiply", &silu_and_multiply);
  library.impl("apply_rope", &apply_rope);
  library.impl("linear", &linear);
}

}  // namespace scsim::exec::generic
