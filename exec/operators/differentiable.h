// Recurrent layers in libtorch's own operations, without writing in place: what autograd can go
// through, on any device. The operators of operators.h compute the same; where these serve as
// their implementation (generic.h) nothing is differentiated.
//
//   auto [y, behind] = differentiable::ssd_scan(x, time_step, decay, b, c, skip, state, 64);
//
// Arguments are as in operators.h, of any floating type; `state` is read, the state behind the
// last token is the second result. Arithmetic is in the type of the state (float32; float64 where
// gradients are checked).
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/util/Optional.h>

#include <cstdint>
#include <tuple>

namespace scsim::exec::differentiable {

using Tensors = std::tuple<at::Tensor, at::Tensor>;

Tensors causal_conv(const at::Tensor& x, const at::Tensor& weight,
                    const c10::optional<at::Tensor>& bias, const at::Tensor& state);
// In chunks: memory grows with tokens * chunk * heads.
Tensors ssd_scan(const at::Tensor& x, const at::Tensor& time_step, const at::Tensor& decay,
                 const at::Tensor& b, const at::Tensor& c, const at::Tensor& skip,
                 const at::Tensor& state, std::int64_t chunk = 64);
// One token after another: a few operations each.
Tensors selective_scan(const at::Tensor& x, const at::Tensor& time_step, const at::Tensor& decay,
                       const at::Tensor& b, const at::Tensor& c, const at::Tensor& skip,
                       const at::Tensor& state);

}  // namespace scsim::exec::differentiable
