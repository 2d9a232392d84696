// AdamW (Loshchilov and Hutter, arXiv:1711.05101), the moments in the open so that a training can
// be stopped and go on.
//
//   AdamW optimiser(network.parameters(), {.weight_decay = 0.01});
//   loss.backward();
//   optimiser.step(1e-3);        // and no parameter has a gradient any more
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <string>

namespace scsim::exec {

struct AdamWOptions {
  double beta1 = 0.9, beta2 = 0.99, epsilon = 1e-8;
  double weight_decay = 0.01;  // of parameters with two dimensions or more
  double clip = 1;             // of the gradient of all parameters, its longest length
};

class AdamW {
 public:
  struct Moments {
    at::Tensor mean, square;  // as the parameter
  };

  // `parameters` must outlive it.
  AdamW(std::map<std::string, at::Tensor>& parameters, const AdamWOptions& options);

  // Parameters without a gradient stay.
  void step(double learning_rate);

  std::map<std::string, Moments>& moments() { return moments_; }
  std::int64_t& steps_done() { return steps_done_; }

 private:
  std::map<std::string, at::Tensor>& parameters_;
  AdamWOptions options_;
  std::map<std::string, Moments> moments_;
  std::int64_t steps_done_ = 0;
};

}  // namespace scsim::exec
