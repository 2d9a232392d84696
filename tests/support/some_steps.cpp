#include "tests/support/some_steps.h"

#include <algorithm>

#include "tests/support/some_calibration.h"
#include "traces/rng.h"

namespace scsim::test {

double StepLaw::seconds(const std::vector<std::int64_t>& fresh,
                        const std::vector<std::int64_t>& cached, std::int64_t sampled_rows) const {
  double tokens = 0, sum = step + sampled * static_cast<double>(sampled_rows);
  for (std::size_t i = 0; i < fresh.size(); ++i) {
    const auto n = static_cast<double>(fresh[i]), c = static_cast<double>(cached[i]);
    tokens += n;
    sum += context * (c + n);
    if (fresh[i] > 1) sum += prefill_pair * (n * c + n * (n + 1) / 2);
  }
  return sum + token * (std::min(tokens, 16.0) + 0.5 * std::max(tokens - 16, 0.0));
}

std::vector<OperatorSample> some_steps(int count, double noise, int method, const StepLaw& law) {
  Rng rng(3, "tests.some_steps", static_cast<std::uint64_t>(method));
  const auto upto = [&](std::uint64_t most) {
    return static_cast<std::int64_t>(rng.below(most + 1));
  };
  std::vector<OperatorSample> samples;
  for (int i = 0; i < count; ++i) {
    OperatorSample sample;
    sample.name = "engine_step";
    sample.implementation = "some engine";
    sample.type = "float32";
    sample.query_heads = 4, sample.kv_heads = 2, sample.head_dim = 16;
    // In turn: decodes, prefills, both.
    const std::int64_t decodes = i % 3 == 1 ? 0 : 1 + upto(31);
    const std::int64_t prefills = i % 3 == 0 ? 0 : 1 + upto(1);
    for (std::int64_t d = 0; d < decodes; ++d) {
      sample.new_tokens.push_back(1);
      sample.cached_tokens.push_back(upto(4096));
    }
    for (std::int64_t p = 0; p < prefills; ++p) {
      sample.new_tokens.push_back(2 + upto(std::uint64_t{2} << (rng.below(9))));
      sample.cached_tokens.push_back(rng.chance(0.5) ? 0 : upto(4096));
    }
    const std::int64_t sampled = decodes + upto(static_cast<std::uint64_t>(prefills));
    sample.dimensions = {{"sampled", sampled}, {"method", method}, {"number", i}};
    const double seconds = law.seconds(sample.new_tokens, sample.cached_tokens, sampled);
    for (int r = 0; r < 3; ++r)
      sample.seconds.push_back(seconds * (1 + noise * rng.uniform(-1, 1)));
    sample.began_unix_ns = 1'764'000'000'000'000'000;
    samples.push_back(std::move(sample));
  }
  return samples;
}

Calibration step_calibration(int count, double noise) {
  Calibration calibration;
  calibration.design = some_design();
  calibration.operators = some_steps(count, noise);
  return calibration;
}

}  // namespace scsim::test
