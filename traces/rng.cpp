// Generator: xoshiro256** of Blackman and Vigna (2018), seeded through splitmix64.
// Distributions: by inversion where there is a closed form; normal by Marsaglia's polar method;
// gamma by Marsaglia and Tsang (2000).
#include "traces/rng.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "traces/check.h"
#include "traces/math.h"

namespace scsim {
namespace {

__extension__ using Uint128 = unsigned __int128;

// Next output of splitmix64; a bijection of its state.
std::uint64_t splitmix(std::uint64_t& state) {
  std::uint64_t z = state += 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

// FNV-1a.
std::uint64_t hash_text(std::string_view text) {
  std::uint64_t hash = 0xCBF29CE484222325u;
  for (const char c : text) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3u;
  }
  return hash;
}

}  // namespace

Rng::Rng(std::uint64_t seed, std::string_view purpose, std::uint64_t number) {
  // Each of the three goes through a bijection before the next is mixed in, so that streams of
  // neighbouring seeds and numbers have nothing in common.
  std::uint64_t state = seed;
  state = splitmix(state) ^ hash_text(purpose);
  state = splitmix(state) ^ number;
  for (std::uint64_t& word : state_) word = splitmix(state);
}

std::uint64_t Rng::next() {
  const std::uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
  const std::uint64_t shifted = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= shifted;
  state_[3] = std::rotl(state_[3], 45);
  return result;
}

double Rng::uniform() { return static_cast<double>(next() >> 11) * 0x1p-53; }

double Rng::uniform(double low, double high) {
  SCSIM_CHECK_LE(low, high);
  return low + (high - low) * uniform();
}

// Lemire's multiplication; the few products that would favour some outcomes are drawn again.
std::uint64_t Rng::below(std::uint64_t n) {
  SCSIM_CHECK_GT(n, std::uint64_t{0});
  const std::uint64_t uneven = (0 - n) % n;
  while (true) {
    const Uint128 product = static_cast<Uint128>(next()) * n;
    if (static_cast<std::uint64_t>(product) >= uneven) {
      return static_cast<std::uint64_t>(product >> 64);
    }
  }
}

double Rng::exponential(double mean) { return -mean * stable_log(1 - uniform()); }

double Rng::normal() {
  if (has_spare_) {
    has_spare_ = false;
    return spare_normal_;
  }
  while (true) {
    const double x = 2 * uniform() - 1;
    const double y = 2 * uniform() - 1;
    const double square = x * x + y * y;
    if (square >= 1 || square == 0) continue;
    const double scale = std::sqrt(-2 * stable_log(square) / square);
    spare_normal_ = y * scale;
    has_spare_ = true;
    return x * scale;
  }
}

double Rng::lognormal(double median, double sigma) { return median * stable_exp(sigma * normal()); }

double Rng::gamma(double shape, double scale) {
  SCSIM_CHECK_GT(shape, 0.0);
  SCSIM_CHECK_GT(scale, 0.0);
  if (shape < 1) {
    // A gamma of shape + 1 times u^(1 / shape) has the smaller shape.
    const double power = stable_pow(1 - uniform(), 1 / shape);
    return gamma(shape + 1, scale) * power;
  }
  const double d = shape - 1.0 / 3;
  const double c = 1 / std::sqrt(9 * d);
  while (true) {
    const double x = normal();
    const double root = 1 + c * x;
    if (root <= 0) continue;
    const double v = root * root * root;
    const double log_u = stable_log(1 - uniform());
    if (log_u < 0.5 * x * x + d - d * v + d * stable_log(v)) return scale * d * v;
  }
}

double Rng::weibull(double shape, double scale) {
  SCSIM_CHECK_GT(shape, 0.0);
  return scale * stable_pow(-stable_log(1 - uniform()), 1 / shape);
}

bool Rng::chance(double p) { return uniform() < p; }

std::size_t Rng::weighted(const std::vector<double>& weights) {
  double sum = 0;
  for (const double weight : weights) {
    SCSIM_CHECK_GE(weight, 0.0);
    sum += weight;
  }
  SCSIM_CHECK_GT(sum, 0.0);
  double left = uniform() * sum;
  std::size_t last_positive = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    if (weights[i] == 0) continue;
    last_positive = i;
    left -= weights[i];
    if (left < 0) return i;
  }
  return last_positive;  // rounding left a remainder
}

Zipf::Zipf(std::uint64_t n, double exponent) {
  SCSIM_CHECK_GT(n, std::uint64_t{0});
  cumulative_.reserve(n);
  double sum = 0;
  for (std::uint64_t rank = 0; rank < n; ++rank) {
    sum += stable_pow(static_cast<double>(rank + 1), -exponent);
    cumulative_.push_back(sum);
  }
}

std::uint64_t Zipf::draw(Rng& rng) const {
  const double point = rng.uniform() * cumulative_.back();
  const auto found = std::ranges::upper_bound(cumulative_, point);
  const auto rank = static_cast<std::uint64_t>(found - cumulative_.begin());
  return std::min<std::uint64_t>(rank, cumulative_.size() - 1);
}

}  // namespace scsim
