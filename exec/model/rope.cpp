#include "exec/model/rope.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <numbers>

namespace scsim::exec {
namespace {

// Llama 3: wavelengths much shorter than the original context stay, much longer ones are stretched
// by `factor`, and between the two it is a mixture.
double llama3(const RopeConfig& config, double frequency) {
  const double wavelengths = config.original_max_positions * frequency / (2 * std::numbers::pi);
  const double smooth = std::clamp(
      (wavelengths - config.low_freq_factor) / (config.high_freq_factor - config.low_freq_factor),
      0.0, 1.0);
  return (1 - smooth) * frequency / config.factor + smooth * frequency;
}

// Yarn: the pair of channels that turns `rotations` times within the original context.
double yarn_pair(const RopeConfig& config, double rotations) {
  return static_cast<double>(config.rotary_dim) *
         std::log(config.original_max_positions / (rotations * 2 * std::numbers::pi)) /
         (2 * std::log(config.theta));
}

}  // namespace

std::vector<double> rope_frequencies(const RopeConfig& config) {
  const std::int64_t pairs = config.rotary_dim / 2;
  std::vector<double> frequencies;
  for (std::int64_t i = 0; i < pairs; ++i) {
    frequencies.push_back(std::pow(
        config.theta, -2.0 * static_cast<double>(i) / static_cast<double>(config.rotary_dim)));
  }
  switch (config.scaling) {
    case RopeConfig::Scaling::kNone:
      break;
    case RopeConfig::Scaling::kLinear:
      for (double& frequency : frequencies) frequency /= config.factor;
      break;
    case RopeConfig::Scaling::kLlama3:
      for (double& frequency : frequencies) frequency = llama3(config, frequency);
      break;
    case RopeConfig::Scaling::kYarn: {
      // Pairs that turn often keep their frequency, those that hardly turn are stretched; a ramp
      // lies between, from one whole pair to another.
      const double low = std::max(std::floor(yarn_pair(config, config.beta_fast)), 0.0);
      const double high = std::min(std::ceil(yarn_pair(config, config.beta_slow)),
                                   static_cast<double>(config.rotary_dim - 1));
      const double width = high == low ? 0.001 : high - low;
      for (std::int64_t i = 0; i < pairs; ++i) {
        const double stretched = std::clamp((static_cast<double>(i) - low) / width, 0.0, 1.0);
        double& frequency = frequencies[static_cast<std::size_t>(i)];
        frequency = stretched * frequency / config.factor + (1 - stretched) * frequency;
      }
      break;
    }
  }
  for (std::size_t i = 0; i < config.divisors.size(); ++i) {
    frequencies[i] /= static_cast<double>(config.divisors[i]);
  }
  return frequencies;
}

double rope_attention_factor(const RopeConfig& config) {
  if (config.scaling != RopeConfig::Scaling::kYarn) return 1;
  if (config.attention_factor) return *config.attention_factor;
  return config.factor <= 1 ? 1 : 0.1 * std::log(config.factor) + 1;
}

RopeTable::Rows RopeTable::range(std::int64_t first, std::int64_t count) {
  reach(first + count);
  return {cos_.narrow(0, first, count), sin_.narrow(0, first, count)};
}

RopeTable::Rows RopeTable::at(std::span<const std::int64_t> positions) {
  reach(*std::ranges::max_element(positions) + 1);
  at::Tensor index = at::empty({std::ssize(positions)}, at::kLong);
  std::ranges::copy(positions, index.mutable_data_ptr<std::int64_t>());
  index = index.to(device_);
  return {cos_.index_select(0, index), sin_.index_select(0, index)};
}

// Angles are products of float32 numbers, as in the libraries that models were trained with: at
// large positions a more exact product would be another angle.
void RopeTable::reach(std::int64_t positions) {
  if (positions <= made_) return;
  made_ = std::max<std::int64_t>({positions, 2 * made_, 1024});
  const std::vector<double> frequencies = rope_frequencies(config_);
  at::Tensor frequency = at::empty({1, std::ssize(frequencies)}, at::kFloat);
  std::ranges::transform(frequencies, frequency.mutable_data_ptr<float>(),
                         [](double f) { return static_cast<float>(f); });
  const at::Tensor angles = at::arange(made_, at::kFloat).unsqueeze(1) * frequency;
  const double factor = rope_attention_factor(config_);
  cos_ = (angles.cos() * factor).to(at::TensorOptions().dtype(type_).device(device_));
  sin_ = (angles.sin() * factor).to(at::TensorOptions().dtype(type_).device(device_));
}

}  // namespace scsim::exec
