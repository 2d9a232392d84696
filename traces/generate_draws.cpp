#include "traces/generate_draws.h"

#include <algorithm>
#include <cmath>

#include "traces/check.h"
#include "traces/math.h"
#include "traces/proto/recipe.pb.h"

namespace scsim {
namespace {

// Bounds of every draw, so that what a trace can hold is never exceeded by a sum of a few.
constexpr double kMostDrawn = 1e9;     // tokens
constexpr double kLongestDrawn = 1e7;  // seconds: 116 days

}  // namespace

Draw::Draw(std::string_view distribution, double mean, double cv, double min, double max)
    : mean_(mean), cv_(cv), min_(min), max_(max) {
  if (mean <= 0 || distribution == "constant") {
    shape_ = Shape::kConstant;
  } else if (distribution == "exponential") {
    shape_ = Shape::kExponential;
  } else if (cv <= 0) {
    shape_ = Shape::kConstant;
  } else if (distribution == "gamma") {
    shape_ = Shape::kGamma;
  } else {
    SCSIM_CHECK_EQ(distribution, "lognormal");
    shape_ = Shape::kLognormal;
    sigma_ = std::sqrt(stable_log(1 + cv * cv));
    median_ = mean / std::sqrt(1 + cv * cv);
  }
}

Draw::Draw(const proto::LengthRecipe& recipe)
    : Draw(recipe.distribution(), recipe.mean(), recipe.cv(), static_cast<double>(recipe.min()),
           recipe.max() > 0 ? static_cast<double>(recipe.max()) : kMostDrawn) {}

Draw::Draw(const proto::TimeRecipe& recipe)
    : Draw(recipe.distribution(), recipe.mean(), recipe.cv(), recipe.min(),
           recipe.max() > 0 ? recipe.max() : kLongestDrawn) {}

double Draw::real(Rng& rng) const {
  double value = mean_;
  switch (shape_) {
    case Shape::kConstant:
      break;
    case Shape::kExponential:
      value = rng.exponential(mean_);
      break;
    case Shape::kLognormal:
      value = rng.lognormal(median_, sigma_);
      break;
    case Shape::kGamma:
      value = rng.gamma(1 / (cv_ * cv_), mean_ * cv_ * cv_);
      break;
  }
  return std::min(std::max(value, min_), max_);
}

std::int64_t Draw::whole(Rng& rng) const { return static_cast<std::int64_t>(real(rng) + 0.5); }

DailyCurve::DailyCurve(const proto::DailyCurveRecipe& recipe)
    : weights_(recipe.weights().begin(), recipe.weights().end()), period_(recipe.period()) {
  if (weights_.empty()) return;
  double sum = 0;
  for (const double weight : weights_) sum += weight;
  SCSIM_CHECK_GT(sum, 0.0);
  const double mean = sum / static_cast<double>(weights_.size());
  for (double& weight : weights_) weight /= mean;
  step_ = period_ / static_cast<double>(weights_.size());
  weights_.push_back(weights_.front());
  integral_.assign(1, 0.0);
  for (std::size_t i = 1; i < weights_.size(); ++i)
    integral_.push_back(integral_.back() + step_ * (weights_[i - 1] + weights_[i]) / 2);
  integral_.back() = period_;
  start_ = recipe.start() - period_ * std::floor(recipe.start() / period_);
}

double DailyCurve::rate_at(double seconds) const {
  if (weights_.empty()) return 1;
  const double t = start_ + seconds;
  const double place = (t - period_ * std::floor(t / period_)) / step_;
  const std::size_t i = std::min(static_cast<std::size_t>(place), weights_.size() - 2);
  return weights_[i] + (weights_[i + 1] - weights_[i]) * (place - static_cast<double>(i));
}

double DailyCurve::integral(double since_period_start) const {
  const double periods = std::floor(since_period_start / period_);
  const double t = since_period_start - periods * period_;
  const std::size_t i = std::min(static_cast<std::size_t>(t / step_), weights_.size() - 2);
  const double part = t - step_ * static_cast<double>(i);
  const double slope = (weights_[i + 1] - weights_[i]) / step_;
  return periods * period_ + integral_[i] + part * (weights_[i] + slope * part / 2);
}

double DailyCurve::inverse(double integral) const {
  const double periods = std::floor(integral / period_);
  const double rest = integral - periods * period_;
  // The first stretch whose end is beyond `rest`; stretches of rate 0 are passed over.
  const auto end = std::upper_bound(integral_.begin() + 1, integral_.end() - 1, rest);
  const auto i = static_cast<std::size_t>(end - integral_.begin()) - 1;
  const double slope = (weights_[i + 1] - weights_[i]) / step_;
  const double wanted = std::max(0.0, rest - integral_[i]);
  // weights_[i] * s + slope * s^2 / 2 = wanted, in the form that does not cancel.
  const double root = std::sqrt(std::max(0.0, weights_[i] * weights_[i] + 2 * slope * wanted));
  const double divisor = weights_[i] + root;
  const double part = divisor > 0 ? 2 * wanted / divisor : 0;
  return periods * period_ + step_ * static_cast<double>(i) + std::min(part, step_);
}

double DailyCurve::expected(double seconds) const {
  return weights_.empty() ? seconds : integral(start_ + seconds) - integral(start_);
}

double DailyCurve::time_of(double expected) const {
  if (weights_.empty()) return expected;
  return std::max(0.0, inverse(integral(start_) + expected) - start_);
}

double weibull_shape(double cv) {
  // cv falls as k grows: halve the bracket until nothing is left of it.
  double low = 0.1, high = 100;
  for (int i = 0; i < 60; ++i) {
    const double k = (low + high) / 2;
    const double log_ratio = stable_lgamma(1 + 2 / k) - 2 * stable_lgamma(1 + 1 / k);
    (stable_exp(log_ratio) - 1 > cv * cv ? low : high) = k;
  }
  return (low + high) / 2;
}

ArrivalProcess::ArrivalProcess(const proto::ArrivalRecipe& recipe, double rate, Rng rng)
    : rate_(rate), curve_(recipe.daily_curve()), rng_(rng) {
  SCSIM_CHECK_GT(rate, 0.0);
  if (recipe.process() == "constant") {
    shape_ = Shape::kConstant;
  } else if (recipe.process() == "gamma") {
    shape_ = Shape::kGamma;
    scale_ = recipe.cv() * recipe.cv();
    parameter_ = 1 / scale_;
  } else if (recipe.process() == "weibull") {
    shape_ = Shape::kWeibull;
    parameter_ = weibull_shape(recipe.cv());
    scale_ = 1 / stable_exp(stable_lgamma(1 + 1 / parameter_));
  } else {
    SCSIM_CHECK_EQ(recipe.process(), "poisson");
  }
}

double ArrivalProcess::gap() {
  switch (shape_) {
    case Shape::kConstant:
      return 1;
    case Shape::kPoisson:
      return rng_.exponential(1);
    case Shape::kGamma:
      return rng_.gamma(parameter_, scale_);
    case Shape::kWeibull:
      return rng_.weibull(parameter_, scale_);
  }
  return 1;
}

double ArrivalProcess::next_seconds() {
  passed_ += gap();
  return curve_.time_of(passed_ / rate_);
}

}  // namespace scsim
