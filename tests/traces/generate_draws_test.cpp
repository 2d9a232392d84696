#include "traces/generate_draws.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <string>
#include <vector>

#include "traces/proto/recipe.pb.h"

namespace scsim {
namespace {

proto::LengthRecipe length_recipe(const std::string& distribution, double mean, double cv) {
  proto::LengthRecipe recipe;
  recipe.set_distribution(distribution);
  recipe.set_mean(mean);
  recipe.set_cv(cv);
  return recipe;
}

proto::ArrivalRecipe arrival_recipe(const std::string& process, double cv) {
  proto::ArrivalRecipe recipe;
  recipe.set_process(process);
  recipe.set_cv(cv);
  recipe.mutable_daily_curve()->set_period(100);
  return recipe;
}

struct Moments {
  double mean = 0, cv = 0;
};

Moments moments_of(const std::vector<double>& values) {
  double sum = 0, squares = 0;
  for (const double value : values) sum += value;
  const double mean = sum / static_cast<double>(values.size());
  for (const double value : values) squares += (value - mean) * (value - mean);
  return {mean, std::sqrt(squares / static_cast<double>(values.size())) / mean};
}

TEST_CASE("draws have the mean and cv of their recipe, whatever the shape", "[traces][generate]") {
  for (const std::string shape : {"constant", "exponential", "lognormal", "gamma"}) {
    Rng rng(1, "test.draws");
    const Draw draw(length_recipe(shape, 400, 0.7));
    std::vector<double> values;
    for (int i = 0; i < 40'000; ++i) values.push_back(draw.real(rng));
    const Moments moments = moments_of(values);
    CAPTURE(shape);
    // Standard error of the mean: 400 * cv / sqrt(40,000) = 2 at cv 1; four of them.
    CHECK(moments.mean == Approx(400).margin(8));
    const double cv = shape == "constant" ? 0 : shape == "exponential" ? 1 : 0.7;
    CHECK(moments.cv == Approx(cv).margin(0.04));
  }
}

TEST_CASE("twice the mean draws twice the length", "[traces][generate]") {
  for (const std::string shape : {"constant", "exponential", "lognormal", "gamma"}) {
    Rng rng(1, "test.draws"), same(1, "test.draws");
    const Draw once(length_recipe(shape, 400, 0.7)), twice(length_recipe(shape, 800, 0.7));
    for (int i = 0; i < 100; ++i) CHECK(twice.real(rng) == Approx(2 * once.real(same)));
  }
}

TEST_CASE("draws stay within their bounds", "[traces][generate]") {
  proto::LengthRecipe recipe = length_recipe("lognormal", 100, 3);
  recipe.set_min(50);
  recipe.set_max(150);
  const Draw draw(recipe);
  Rng rng(1, "test.draws");
  std::int64_t least = 1000, most = 0;
  for (int i = 0; i < 1000; ++i) {
    const std::int64_t length = draw.whole(rng);
    least = std::min(least, length);
    most = std::max(most, length);
  }
  CHECK(least == 50);
  CHECK(most == 150);
}

TEST_CASE("arrivals have the rate and cv of their recipe", "[traces][generate]") {
  struct Case {
    std::string process;
    double cv;
  };
  for (const Case& each : {Case{"constant", 0}, Case{"poisson", 1}, Case{"gamma", 2.5},
                           Case{"gamma", 0.4}, Case{"weibull", 2}, Case{"weibull", 0.5}}) {
    ArrivalProcess arrivals(arrival_recipe(each.process, each.cv), 5, Rng(3, "test.arrivals"));
    std::vector<double> gaps;
    double last = 0;
    for (int i = 0; i < 40'000; ++i) {
      const double next = arrivals.next_seconds();
      gaps.push_back(next - last);
      last = next;
    }
    const Moments moments = moments_of(gaps);
    CAPTURE(each.process, each.cv);
    CHECK(moments.mean == Approx(0.2).epsilon(0.02 + 0.02 * each.cv));
    CHECK(moments.cv == Approx(each.cv).epsilon(0.06).margin(1e-9));
  }
}

TEST_CASE("the shape of a Weibull distribution follows from its cv", "[traces][generate]") {
  CHECK(weibull_shape(1) == Approx(1));  // the exponential distribution
  // Shape 1/2: moments Gamma(3) = 2 and Gamma(5) = 24, so cv^2 = 24 / 4 - 1 = 5.
  CHECK(weibull_shape(std::sqrt(5.0)) == Approx(0.5));
  // Shape 2: cv^2 = Gamma(2) / Gamma(3/2)^2 - 1 = 4 / pi - 1.
  CHECK(weibull_shape(std::sqrt(4 / 3.14159265358979 - 1)) == Approx(2));
}

TEST_CASE("a daily curve's integral and its inverse agree with summing small steps",
          "[traces][generate]") {
  proto::DailyCurveRecipe recipe;
  for (const double weight : {0.0, 1.0, 4.0, 0.0, 0.0, 2.0}) recipe.add_weights(weight);
  recipe.set_period(60);
  recipe.set_start(77);
  const DailyCurve curve(recipe);
  double sum = 0;
  constexpr double kStep = 1.0 / 64;
  for (double time = 0; time < 150; time += kStep) {
    CHECK(curve.expected(time) == Approx(sum).margin(1e-9));
    // Where the rate is not 0 the inverse finds its way back.
    if (curve.rate_at(time) > 0.05) CHECK(curve.time_of(sum) == Approx(time).margin(1e-6));
    sum += kStep * curve.rate_at(time + kStep / 2);  // exact: the corners lie between steps
  }
  CHECK(curve.expected(120) == Approx(120));  // mean 1 over whole periods
}

TEST_CASE("arrivals follow the daily curve exactly", "[traces][generate]") {
  // A constant process in operational time: the n-th arrival is where the integral reaches n /
  // rate.
  proto::ArrivalRecipe recipe = arrival_recipe("constant", 0);
  for (const double weight : {1.0, 3.0, 0.0}) recipe.mutable_daily_curve()->add_weights(weight);
  ArrivalProcess arrivals(recipe, 2, Rng(1, "test"));
  const DailyCurve curve(recipe.daily_curve());
  for (int n = 1; n <= 1000; ++n)
    CHECK(curve.expected(arrivals.next_seconds()) == Approx(n / 2.0).epsilon(1e-9));
}

}  // namespace
}  // namespace scsim
