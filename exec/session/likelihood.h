// What a model thought of an answer that was given to it, from logits [positions, vocabulary] whose
// row i predicts token i of the answer.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>

namespace scsim::exec {

// Natural logarithms throughout.
struct Likelihood {
  double nll = 0;           // minus the log-probability of the answer, summed over its tokens
  std::int64_t tokens = 0;  // of the answer
};

// REQUIRES: as many rows as tokens.
Likelihood answer_likelihood(const at::Tensor& logits, std::span<const std::int32_t> answer);

// How near a method's predictions are to full attention's behind the same tokens.
struct Agreement {
  std::int64_t tokens = 0;
  std::int64_t greedy = 0;  // positions where both think the same token likeliest
  double kl = 0;            // sum over positions of KL(full || method)
};

// REQUIRES: two tensors of one shape [positions, vocabulary].
Agreement agreement(const at::Tensor& full, const at::Tensor& method);

}  // namespace scsim::exec
