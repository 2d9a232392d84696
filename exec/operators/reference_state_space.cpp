#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "exec/operators/reference.h"

namespace scsim::exec::reference {
namespace {

at::Tensor wide(const at::Tensor& t) { return t.to(at::kDouble).contiguous(); }

}  // namespace

Tensors causal_conv(const at::Tensor& x, const at::Tensor& weight,
                    const c10::optional<at::Tensor>& bias, const at::Tensor& state) {
  const at::Tensor inputs = at::cat({wide(state), wide(x)}, 1), taps = wide(weight);
  const std::int64_t batch = x.size(0), tokens = x.size(1), channels = x.size(2);
  const std::int64_t kernel = weight.size(0);
  at::Tensor y = at::zeros(x.sizes(), at::kDouble);
  const auto in = inputs.accessor<double, 3>();
  const auto tap = taps.accessor<double, 2>();
  auto out = y.accessor<double, 3>();
  const at::Tensor added = bias ? wide(*bias) : at::zeros({channels}, at::kDouble);
  for (std::int64_t s = 0; s < batch; ++s) {
    for (std::int64_t t = 0; t < tokens; ++t) {
      for (std::int64_t i = 0; i < channels; ++i) {
        double sum = added.const_data_ptr<double>()[i];
        for (std::int64_t k = 0; k < kernel; ++k) sum += tap[k][i] * in[s][t + k][i];
        out[s][t][i] = sum / (1 + std::exp(-sum));
      }
    }
  }
  return {y, inputs.narrow(1, tokens, kernel - 1).contiguous()};
}

Tensors ssd_scan(const at::Tensor& x, const at::Tensor& time_step, const at::Tensor& decay,
                 const at::Tensor& b, const at::Tensor& c, const at::Tensor& skip,
                 const at::Tensor& state) {
  const at::Tensor x_of = wide(x), steps_of = wide(time_step), b_of = wide(b), c_of = wide(c);
  const at::Tensor decay_of = wide(decay), skip_of = wide(skip);
  at::Tensor y = at::zeros(x.sizes(), at::kDouble), behind = wide(state).clone();
  const auto in = x_of.accessor<double, 4>(), bs = b_of.accessor<double, 4>();
  const auto cs = c_of.accessor<double, 4>();
  const auto steps = steps_of.accessor<double, 3>();
  auto out = y.accessor<double, 4>(), carried = behind.accessor<double, 4>();
  const std::int64_t heads = x.size(2), in_group = heads / b.size(2);
  for (std::int64_t s = 0; s < x.size(0); ++s) {
    for (std::int64_t t = 0; t < x.size(1); ++t) {
      for (std::int64_t h = 0; h < heads; ++h) {
        const std::int64_t g = h / in_group;
        const double step = steps[s][t][h];
        const double kept = std::exp(step * decay_of.const_data_ptr<double>()[h]);
        for (std::int64_t p = 0; p < x.size(3); ++p) {
          double sum = skip_of.const_data_ptr<double>()[h] * in[s][t][h][p];
          for (std::int64_t n = 0; n < b.size(3); ++n) {
            carried[s][h][n][p] =
                kept * carried[s][h][n][p] + step * bs[s][t][g][n] * in[s][t][h][p];
            sum += cs[s][t][g][n] * carried[s][h][n][p];
          }
          out[s][t][h][p] = sum;
        }
      }
    }
  }
  return {y, behind};
}

Tensors selective_scan(const at::Tensor& x, const at::Tensor& time_step, const at::Tensor& decay,
                       const at::Tensor& b, const at::Tensor& c, const at::Tensor& skip,
                       const at::Tensor& state) {
  const at::Tensor x_of = wide(x), steps_of = wide(time_step), b_of = wide(b), c_of = wide(c);
  const at::Tensor decay_of = wide(decay), skip_of = wide(skip);
  at::Tensor y = at::zeros(x.sizes(), at::kDouble), behind = wide(state).clone();
  const auto in = x_of.accessor<double, 3>(), steps = steps_of.accessor<double, 3>();
  const auto bs = b_of.accessor<double, 3>(), cs = c_of.accessor<double, 3>();
  const auto rates = decay_of.accessor<double, 2>();
  auto out = y.accessor<double, 3>(), carried = behind.accessor<double, 3>();
  for (std::int64_t s = 0; s < x.size(0); ++s) {
    for (std::int64_t t = 0; t < x.size(1); ++t) {
      for (std::int64_t i = 0; i < x.size(2); ++i) {
        const double step = steps[s][t][i];
        double sum = skip_of.const_data_ptr<double>()[i] * in[s][t][i];
        for (std::int64_t n = 0; n < b.size(2); ++n) {
          carried[s][n][i] =
              std::exp(step * rates[n][i]) * carried[s][n][i] + step * bs[s][t][n] * in[s][t][i];
          sum += cs[s][t][n] * carried[s][n][i];
        }
        out[s][t][i] = sum;
      }
    }
  }
  return {y, behind};
}

}  // namespace scsim::exec::reference
