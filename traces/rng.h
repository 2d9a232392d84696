// Random numbers from named streams, with our own distributions, so that results do not depend on a
// standard library and changing one knob leaves the other streams as they were.
//
//   Rng arrivals(seed, "traces.arrivals");
//   Rng think(seed, "traces.think", session.value());    // one stream per thing: order-independent
//   double gap = arrivals.exponential(1.0 / rate);
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace scsim {

class Rng {
 public:
  // Two different (seed, purpose, number) give independent streams.
  Rng(std::uint64_t seed, std::string_view purpose, std::uint64_t number = 0);

  std::uint64_t next();  // 64 uniform bits
  double uniform();      // [0, 1), 53 bits
  double uniform(double low, double high);
  std::uint64_t below(std::uint64_t n);  // 0 .. n-1, unbiased. REQUIRES: n > 0
  double exponential(double mean);
  double normal();                                // mean 0, deviation 1
  double lognormal(double median, double sigma);  // exp(log(median) + sigma * normal())
  double gamma(double shape, double scale);       // mean shape * scale. REQUIRES: both > 0
  double weibull(double shape, double scale);
  bool chance(double p);
  // Index drawn with the given weights. REQUIRES: a positive sum.
  std::size_t weighted(const std::vector<double>& weights);

 private:
  std::uint64_t state_[4];
  double spare_normal_ = 0;
  bool has_spare_ = false;
};

// Ranks 0 .. n-1 with probability proportional to 1 / (rank + 1)^exponent. O(log n) a draw, O(n) to
// make.
class Zipf {
 public:
  Zipf(std::uint64_t n, double exponent);
  std::uint64_t draw(Rng& rng) const;

 private:
  std::vector<double> cumulative_;
};

}  // namespace scsim
