#include "exec/operators/differentiable.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <limits>
#include <vector>

namespace scsim::exec::differentiable {

Tensors causal_conv(const at::Tensor& x, const at::Tensor& weight,
                    const c10::optional<at::Tensor>& bias, const at::Tensor& state) {
  const at::ScalarType type = state.scalar_type();
  const std::int64_t kernel = weight.size(0), tokens = x.size(1);
  const at::Tensor inputs = at::cat({state, x.to(type)}, 1);
  at::Tensor sum = inputs.narrow(1, 0, tokens) * weight[0].to(type);
  for (std::int64_t k = 1; k < kernel; ++k) {
    sum = sum + inputs.narrow(1, k, tokens) * weight[k].to(type);
  }
  if (bias) sum = sum + bias->to(type);
  return {at::silu(sum).to(x.scalar_type()), inputs.narrow(1, tokens, kernel - 1)};
}

Tensors ssd_scan(const at::Tensor& x, const at::Tensor& time_step, const at::Tensor& decay,
                 const at::Tensor& b, const at::Tensor& c, const at::Tensor& skip,
                 const at::Tensor& state, std::int64_t chunk) {
  const at::ScalarType type = state.scalar_type();
  const std::int64_t batch = x.size(0), tokens = x.size(1), heads = x.size(2), head_dim = x.size(3);
  const std::int64_t groups = b.size(2);
  chunk = std::min(chunk, std::max<std::int64_t>(tokens, 1));
  const std::int64_t chunks = (tokens + chunk - 1) / chunk, missing = chunks * chunk - tokens;
  // Tokens that take no time change nothing. [batch, chunks, heads or groups, chunk, ...]
  const auto in_chunks = [&](const at::Tensor& t) {
    std::vector<std::int64_t> shape = t.sizes().vec();
    shape[1] = missing;
    const at::Tensor whole =
        missing == 0 ? t.to(type)
                     : at::cat({t.to(type), at::zeros(shape, t.options().dtype(type))}, 1);
    shape.erase(shape.begin(), shape.begin() + 2);
    shape.insert(shape.begin(), {batch, chunks, chunk});
    return whole.reshape(shape).transpose(2, 3);
  };
  const auto of_heads = [&](const at::Tensor& t) {  // dimension 2: from groups to heads
    return groups == heads ? t : t.repeat_interleave(heads / groups, 2);
  };
  const at::Tensor inputs = in_chunks(x), steps = in_chunks(time_step);
  const at::Tensor b_rows = in_chunks(b), c_rows = in_chunks(c);
  const at::Tensor rates = steps * decay.to(type).unsqueeze(1);  // [batch, chunks, heads, chunk]
  const at::Tensor weighted = inputs * steps.unsqueeze(-1);

  // Of [i, j] the sum of the rates behind j up to i, each summed by itself: differences of sums
  // from the chunk's first token on would lose digits beside a token with a large rate.
  const at::Tensor ones = at::ones({chunk, chunk}, x.options().dtype(at::kBool));
  const at::Tensor between = rates.unsqueeze(-1)
                                 .expand({batch, chunks, heads, chunk, chunk})
                                 .masked_fill(ones.triu(), 0)
                                 .cumsum(3);
  const at::Tensor decayed =
      between.masked_fill(ones.triu(1), -std::numeric_limits<double>::infinity()).exp();
  const at::Tensor scores = of_heads(at::matmul(c_rows, b_rows.transpose(3, 4)));
  const at::Tensor within = at::matmul(scores * decayed, weighted);

  const at::Tensor to_end = between.select(3, chunk - 1).exp();
  const at::Tensor added =
      at::matmul(of_heads(b_rows).transpose(3, 4), weighted * to_end.unsqueeze(-1));
  const at::Tensor from_start = rates.cumsum(3).exp().unsqueeze(-1);
  const at::Tensor kept = from_start.narrow(3, chunk - 1, 1);  // [batch, chunks, heads, 1, 1]
  std::vector<at::Tensor> before;
  at::Tensor carried = state;
  for (std::int64_t i = 0; i < chunks; ++i) {
    before.push_back(carried);
    carried = carried * kept.select(1, i) + added.select(1, i);
  }
  const at::Tensor from_before =
      chunks == 0 ? at::zeros_like(within)
                  : at::matmul(of_heads(c_rows), at::stack(before, 1)) * from_start;
  const at::Tensor y = within + from_before + inputs * skip.to(type).view({heads, 1, 1});
  return {y.transpose(2, 3)
              .reshape({batch, chunks * chunk, heads, head_dim})
              .narrow(1, 0, tokens)
              .to(x.scalar_type()),
          carried};
}

Tensors selective_scan(const at::Tensor& x, const at::Tensor& time_step, const at::Tensor& decay,
                       const at::Tensor& b, const at::Tensor& c, const at::Tensor& skip,
                       const at::Tensor& state) {
  const at::ScalarType type = state.scalar_type();
  const at::Tensor inputs = x.to(type), steps = time_step.to(type), rates = decay.to(type);
  const at::Tensor weighted = inputs * steps;
  const at::Tensor b_columns = b.to(type).unsqueeze(-1), c_rows = c.to(type).unsqueeze(2);
  at::Tensor carried = state;
  std::vector<at::Tensor> rows;
  for (std::int64_t t = 0; t < x.size(1); ++t) {
    const at::Tensor kept = (steps.select(1, t).unsqueeze(1) * rates).exp();
    carried = carried * kept + b_columns.select(1, t) * weighted.select(1, t).unsqueeze(1);
    rows.push_back(at::matmul(c_rows.select(1, t), carried).squeeze(1));
  }
  const at::Tensor sums = rows.empty() ? at::zeros_like(inputs) : at::stack(rows, 1);
  return {(sums + inputs * skip.to(type)).to(x.scalar_type()), carried};
}

}  // namespace scsim::exec::differentiable
