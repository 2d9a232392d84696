// What a model thought of an answer that was given to it, from logits [positions, vocabulary] whose
// row i predicts token i of the answer. Natural logarithms throughout.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>

#include "traces/calibration.h"

namespace scsim::exec {

// REQUIRES: as many rows as tokens.
AnswerLikelihood answer_likelihood(const at::Tensor& logits, std::span<const std::int32_t> answer);

// How near a method's predictions are to full attention's behind the same tokens.
// REQUIRES: two tensors of one shape [positions, vocabulary].
FullAgreement full_agreement(const at::Tensor& full, const at::Tensor& method);

}  // namespace scsim::exec
