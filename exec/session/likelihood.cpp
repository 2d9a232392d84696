#include "exec/session/likelihood.h"

#include <ATen/ATen.h>

#include "traces/check.h"

namespace scsim::exec {
namespace {

at::Tensor log_probabilities(const at::Tensor& logits) {
  return at::log_softmax(logits.to(at::kCPU, at::kDouble), -1);
}

}  // namespace

AnswerLikelihood answer_likelihood(const at::Tensor& logits, std::span<const std::int32_t> answer) {
  AnswerLikelihood likelihood{.nats = 0, .tokens = static_cast<std::int64_t>(answer.size())};
  if (answer.empty()) return likelihood;
  SCSIM_CHECK_EQ(logits.size(0), likelihood.tokens);
  const at::Tensor log_p = log_probabilities(logits);
  for (std::int64_t i = 0; i < likelihood.tokens; ++i) {
    likelihood.nats -= log_p[i][answer[static_cast<std::size_t>(i)]].item<double>();
  }
  return likelihood;
}

FullAgreement full_agreement(const at::Tensor& full, const at::Tensor& method) {
  SCSIM_CHECK(full.sizes() == method.sizes());
  FullAgreement result{.tokens = full.size(0), .agreed = 0, .kl_sum = 0};
  if (result.tokens == 0) return result;
  result.agreed = full.argmax(-1).cpu().eq(method.argmax(-1).cpu()).sum().item<std::int64_t>();
  const at::Tensor log_p = log_probabilities(full);
  const at::Tensor log_q = log_probabilities(method);
  const at::Tensor kl = (log_p.exp() * (log_p - log_q)).sum(-1);
  result.kl_sum = kl.sum().item<double>();
  auto& quarters = result.kl_quarters.emplace();
  for (std::int64_t i = 0; i < result.tokens; ++i)
    quarters[static_cast<std::size_t>(4 * i / result.tokens)] += kl[i].item<double>();
  return result;
}

}  // namespace scsim::exec
