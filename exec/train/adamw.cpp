#include "exec/train/adamw.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <cmath>

namespace scsim::exec {

AdamW::AdamW(std::map<std::string, at::Tensor>& parameters, const AdamWOptions& options)
    : parameters_(parameters), options_(options) {
  for (const auto& [name, value] : parameters) {
    moments_[name] = {at::zeros_like(value.detach()), at::zeros_like(value.detach())};
  }
}

void AdamW::step(double learning_rate) {
  const c10::AutoGradMode no_gradients(false);
  ++steps_done_;
  double squares = 0;
  for (const auto& [name, value] : parameters_) {
    if (value.grad().defined()) squares += value.grad().square().sum().item<double>();
  }
  const double scale = std::min(1.0, options_.clip / std::max(std::sqrt(squares), 1e-12));
  const double t = static_cast<double>(steps_done_);
  const double mean_seen = 1 - std::pow(options_.beta1, t);
  const double square_seen = 1 - std::pow(options_.beta2, t);
  for (auto& [name, value] : parameters_) {
    if (!value.grad().defined()) continue;
    const at::Tensor gradient = value.grad() * scale;
    Moments& moments = moments_[name];
    moments.mean.lerp_(gradient, 1 - options_.beta1);
    moments.square.mul_(options_.beta2).addcmul_(gradient, gradient, 1 - options_.beta2);
    if (value.dim() >= 2) value.mul_(1 - learning_rate * options_.weight_decay);
    const at::Tensor deviation = moments.square.div(square_seen).sqrt_().add_(options_.epsilon);
    value.addcdiv_(moments.mean, deviation, -learning_rate / mean_seen);
    value.mutable_grad().reset();
  }
}

}  // namespace scsim::exec
