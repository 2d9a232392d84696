// How a recipe's distributions become numbers: lengths, times, and the starts of sessions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "traces/quantity.h"
#include "traces/rng.h"
#include "traces/time.h"

namespace scsim::proto {
class ArrivalRecipe;
class DailyCurveRecipe;
class LengthRecipe;
class TimeRecipe;
}  // namespace scsim::proto

namespace scsim {

// A distribution stated by mean and cv, cut at bounds.
class Draw {
 public:
  explicit Draw(const proto::LengthRecipe& recipe);
  explicit Draw(const proto::TimeRecipe& recipe);

  double real(Rng& rng) const;
  std::int64_t whole(Rng& rng) const;  // the nearest whole number
  Tokens tokens(Rng& rng) const { return Tokens(whole(rng)); }
  Duration duration(Rng& rng) const { return to_duration(Seconds(real(rng))); }

 private:
  enum class Shape : std::uint8_t { kConstant, kExponential, kLognormal, kGamma };
  Draw(std::string_view distribution, double mean, double cv, double min, double max);

  Shape shape_;
  double mean_, median_ = 0, sigma_ = 0, cv_, min_, max_;
};

// A rate over the day with mean 1 over its period: straight lines between equally spaced weights.
class DailyCurve {
 public:
  explicit DailyCurve(const proto::DailyCurveRecipe& recipe);

  double rate_at(double seconds) const;
  // Integral of the rate from the trace's beginning, and its inverse.
  double expected(double seconds) const;
  double time_of(double expected) const;

 private:
  double integral(double since_period_start) const;
  double inverse(double integral) const;

  std::vector<double> weights_;   // mean 1; the first again at the end; empty: constant
  std::vector<double> integral_;  // up to each of them
  double period_ = 0, step_ = 0, start_ = 0;
};

// Starts of sessions: gaps in operational time, which the daily curve stretches.
class ArrivalProcess {
 public:
  ArrivalProcess(const proto::ArrivalRecipe& recipe, double rate, Rng rng);
  double next_seconds();

 private:
  enum class Shape : std::uint8_t { kConstant, kPoisson, kGamma, kWeibull };
  double gap();  // mean 1

  Shape shape_ = Shape::kPoisson;
  double parameter_ = 1, scale_ = 1, rate_;
  double passed_ = 0;  // sum of gaps
  DailyCurve curve_;
  Rng rng_;
};

// Shape k of a Weibull distribution with this cv: Gamma(1 + 2/k) / Gamma(1 + 1/k)^2 = 1 + cv^2.
double weibull_shape(double cv);

}  // namespace scsim
