#include <ATen/ATen.h>
#include <torch/library.h>

#include <algorithm>
#include <vector>

#include "exec/operators/differentiable.h"
#include "exec/operators/generic.h"

namespace scsim::exec::generic {
namespace {

constexpr std::int64_t kBlockTokens = 4096;  // at once, so that memory does not grow with the text

at::Tensor keep_state(const differentiable::Tensors& results, at::Tensor& state) {
  state.copy_(std::get<1>(results));
  return std::get<0>(results);
}

}  // namespace

at::Tensor causal_conv(const at::Tensor& x, const at::Tensor& weight, const OptionalTensor& bias,
                       at::Tensor& state) {
  check_conv(x, weight, bias, state);
  return keep_state(differentiable::causal_conv(x, weight, bias, state), state);
}

at::Tensor ssd_scan(const at::Tensor& x, const at::Tensor& time_step, const at::Tensor& decay,
                    const at::Tensor& b, const at::Tensor& c, const at::Tensor& skip,
                    at::Tensor& state, std::int64_t chunk) {
  check_ssd("scsim::ssd_scan", x, time_step, decay, b, c, skip, state);
  TORCH_CHECK(chunk > 0, "scsim::ssd_scan: chunk must be positive; found ", chunk);
  const std::int64_t block = (kBlockTokens + chunk - 1) / chunk * chunk;
  std::vector<at::Tensor> parts;
  std::int64_t from = 0;
  do {
    const std::int64_t count = std::min(block, x.size(1) - from);
    const auto part = [&](const at::Tensor& t) { return t.narrow(1, from, count); };
    parts.push_back(keep_state(differentiable::ssd_scan(part(x), part(time_step), decay, part(b),
                                                        part(c), skip, state, chunk),
                               state));
    from += count;
  } while (from < x.size(1));
  return parts.size() == 1 ? parts.front() : at::cat(parts, 1);
}

at::Tensor ssd_step(const at::Tensor& x, const at::Tensor& time_step, const at::Tensor& decay,
                    const at::Tensor& b, const at::Tensor& c, const at::Tensor& skip,
                    at::Tensor& state) {
  return generic::ssd_scan(x.unsqueeze(1), time_step.unsqueeze(1), decay, b.unsqueeze(1),
                           c.unsqueeze(1), skip, state, 1)
      .squeeze(1);
}

at::Tensor selective_scan(const at::Tensor& x, const at::Tensor& time_step, const at::Tensor& decay,
                          const at::Tensor& b, const at::Tensor& c, const at::Tensor& skip,
                          at::Tensor& state) {
  check_selective(x, time_step, decay, b, c, skip, state);
  return keep_state(differentiable::selective_scan(x, time_step, decay, b, c, skip, state), state);
}

TORCH_LIBRARY_IMPL(scsim, CompositeExplicitAutograd, library) {
  library.impl("causal_conv", &generic::causal_conv);
  library.impl("ssd_scan", &generic::ssd_scan);
  library.impl("ssd_step", &generic::ssd_step);
  library.impl("selective_scan", &generic::selective_scan);
}

}  // namespace scsim::exec::generic
