#include "exec/session/likelihood.h"

#include <ATen/ATen.h>

#include <catch2/catch.hpp>
#include <cmath>

namespace scsim::exec {
namespace {

TEST_CASE("a uniform prediction costs log of the vocabulary a token", "[exec][session]") {
  const std::vector<std::int32_t> answer = {3, 0, 9};
  const AnswerLikelihood likelihood = answer_likelihood(at::zeros({3, 10}), answer);
  CHECK(likelihood.tokens == 3);
  CHECK(likelihood.nats == Approx(3 * std::log(10.0)));
  CHECK(answer_likelihood(at::zeros({0, 10}), {}).nats == 0);
}

TEST_CASE("likelihood and KL are what sums over probabilities say", "[exec][session]") {
  at::manual_seed(3);
  const at::Tensor full = at::randn({4, 7}, at::kDouble) * 3,
                   method = at::randn({4, 7}, at::kDouble);
  const std::vector<std::int32_t> answer = {6, 2, 2, 1};
  double nats = 0, kl = 0;
  std::int64_t agreed = 0;
  for (std::int64_t row = 0; row < 4; ++row) {
    double sum_p = 0, sum_q = 0;
    std::int64_t best_p = 0, best_q = 0;
    const auto p = [&](std::int64_t i) { return std::exp(full[row][i].item<double>()); };
    const auto q = [&](std::int64_t i) { return std::exp(method[row][i].item<double>()); };
    for (std::int64_t i = 0; i < 7; ++i) {
      sum_p += p(i);
      sum_q += q(i);
      if (p(i) > p(best_p)) best_p = i;
      if (q(i) > q(best_q)) best_q = i;
    }
    nats -= std::log(q(answer[static_cast<std::size_t>(row)]) / sum_q);
    for (std::int64_t i = 0; i < 7; ++i) {
      kl += p(i) / sum_p * std::log(p(i) / sum_p / (q(i) / sum_q));
    }
    agreed += best_p == best_q ? 1 : 0;
  }
  CHECK(answer_likelihood(method, answer).nats == Approx(nats));
  const FullAgreement agreement = full_agreement(full, method);
  CHECK(agreement.tokens == 4);
  CHECK(agreement.agreed == agreed);
  CHECK(agreement.kl_sum == Approx(kl));
}

TEST_CASE("divergence by quarters of the answer is that of the quarter's own rows",
          "[exec][session]") {
  for (const std::int64_t tokens : {1, 3, 4, 6, 13}) {
    const at::Tensor full = at::randn({tokens, 7}), method = at::randn({tokens, 7});
    std::array<double, 4> expected{};
    for (std::int64_t i = 0; i < tokens; ++i)
      expected[static_cast<std::size_t>(4 * i / tokens)] +=
          full_agreement(full.slice(0, i, i + 1), method.slice(0, i, i + 1)).kl_sum;
    const FullAgreement agreement = full_agreement(full, method);
    REQUIRE(agreement.kl_quarters);
    double sum = 0;
    for (std::size_t q = 0; q < 4; ++q) {
      CHECK((*agreement.kl_quarters)[q] == Approx(expected[q]).margin(1e-12));
      sum += (*agreement.kl_quarters)[q];
    }
    CHECK(sum == Approx(agreement.kl_sum));
  }
}

TEST_CASE("a method that predicts what full attention does agrees everywhere", "[exec][session]") {
  const at::Tensor logits = at::randn({5, 11});
  const FullAgreement agreement = full_agreement(logits, logits);
  CHECK(agreement.agreed == 5);
  CHECK(agreement.kl_sum == 0);
}

}  // namespace
}  // namespace scsim::exec
