// Argument reduction by integers and powers of two, then short series: Taylor's and atanh's, which
// need no fitted coefficients and are easy to check. pow needs log to more than double precision
// (an error of one part in 2^53 of a logarithm of 700 would be 700 times that of the power), so
// log is computed as an unevaluated sum of two doubles, with Dekker's and Knuth's exact sums and
// products; those hold because the build allows neither contraction nor reassociation.
#include "traces/math.h"

#include <array>
#include <bit>
#include <cstdint>
#include <limits>

#include "traces/check.h"

namespace scsim {
namespace {

struct TwoDoubles {
  double high = 0, low = 0;  // |low| is at most half a unit in the last place of high
};

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Exact: high + low = a + b.
TwoDoubles two_sum(double a, double b) {
  const double sum = a + b;
  const double b_part = sum - a;
  return {sum, (a - (sum - b_part)) + (b - b_part)};
}

// Exact: high + low = a * b. REQUIRES: no overflow; |a|, |b| < 2^996.
TwoDoubles two_product(double a, double b) {
  constexpr double kSplit = 0x1p27 + 1;
  const double a_scaled = kSplit * a, b_scaled = kSplit * b;
  const double a_high = a_scaled - (a_scaled - a), b_high = b_scaled - (b_scaled - b);
  const double a_low = a - a_high, b_low = b - b_high;
  const double product = a * b;
  return {product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low};
}

// REQUIRES: -1022 <= exponent <= 1023.
double power_of_two(int exponent) {
  return std::bit_cast<double>(static_cast<std::uint64_t>(exponent + 1023) << 52);
}

int round_to_int(double x) { return static_cast<int>(x < 0 ? x - 0.5 : x + 0.5); }

// ln 2 in two parts; the first has 32 bits, so that its product with an exponent is exact.
constexpr double kLn2High = 0x1.62e42fee00000p-1;
constexpr double kLn2Low = 0x1.a39ef35793c76p-33;

// log(x) = e ln 2 + log(m), m in [1/sqrt 2, sqrt 2), and with s = (m - 1) / (m + 1)
// log(m) = 2 atanh(s) = 2 (s + s^3/3 + s^5/5 + ...), |s| < 0.172. REQUIRES: x > 0, finite.
TwoDoubles log_in_two(double x) {
  int exponent = 0;
  if (x < std::numeric_limits<double>::min()) {
    x *= 0x1p54;
    exponent = -54;
  }
  const std::uint64_t bits = std::bit_cast<std::uint64_t>(x);
  exponent += static_cast<int>(bits >> 52) - 1023;
  double m = std::bit_cast<double>((bits & 0x000FFFFFFFFFFFFFu) | 0x3FF0000000000000u);
  if (m > 1.4142135623730951) {
    m *= 0.5;
    ++exponent;
  }
  const double numerator = m - 1;  // exact
  const TwoDoubles denominator = two_sum(m, 1.0);
  const double s = numerator / denominator.high;
  const TwoDoubles back = two_product(s, denominator.high);
  const double s_low =
      (((numerator - back.high) - back.low) - s * denominator.low) / denominator.high;
  const double square = s * s;
  double series = 0;
  for (int k = 25; k >= 3; k -= 2) series = series * square + 1.0 / k;
  const TwoDoubles whole = two_sum(exponent * kLn2High, 2 * s);
  const double rest = 2 * (s_low + s * square * series) + exponent * kLn2Low;
  const TwoDoubles sum = two_sum(whole.high, whole.low + rest);
  return sum;
}

// exp(high + low), |low| tiny. exp(x) = 2^k exp(r), |r| <= ln 2 / 2.
double exp_of_two(double high, double low) {
  if (high > 709.782712893384) return kInfinity;
  if (high < -708.396418532264) return 0;
  constexpr double kLog2E = 0x1.71547652b82fep+0;
  const int k = round_to_int(high * kLog2E);
  const TwoDoubles reduced = two_sum(high - k * kLn2High, low - k * kLn2Low);
  const double r = reduced.high;
  double series = 0;  // (exp(r) - 1 - r) / r^2
  constexpr std::array<double, 13> kFactorials = {
      2,      6,       24,       120,       720,        5040,       40320,
      362880, 3628800, 39916800, 479001600, 6227020800, 87178291200};
  for (std::size_t i = kFactorials.size(); i-- > 0;) series = series * r + 1.0 / kFactorials[i];
  const double power = 1 + (r + (r * r * series + reduced.low));
  return k < 1024 ? power * power_of_two(k) : power * 2 * power_of_two(k - 1);
}

double cos_series(double x) {
  const double square = x * x;
  double series = 0;
  for (int k = 20; k >= 2; k -= 2) series = (1 - series) * square / (k * (k - 1));
  return 1 - series;
}

double sin_series(double x) {
  const double square = x * x;
  double series = 0;
  for (int k = 21; k >= 3; k -= 2) series = (1 - series) * square / (k * (k - 1));
  return x - x * series;
}

// log Gamma(2 + w) = (1 - gamma) w + sum over k >= 2 of (-1)^k (zeta(k) - 1) w^k / k.
// REQUIRES: |w| <= 1/2; the first term left out is below 1e-19 w.
double lgamma_near_two(double w) {
  constexpr double kOneMinusEuler = 0.42278433509846713939;
  constexpr std::array<double, 29> kZetaMinusOne = {
      0.64493406684822643647,   0.20205690315959428540,   0.082323233711138191516,
      0.036927755143369926331,  0.017343061984449139715,  0.0083492773819228268398,
      0.0040773561979443393787, 0.0020083928260822144179, 9.9457512781808533715e-4,
      4.9418860411946455870e-4, 2.4608655330804829864e-4, 1.2271334757848914675e-4,
      6.1248135058704829259e-5, 3.0588236307020493552e-5, 1.5282259408651871733e-5,
      7.6371976378997622736e-6, 3.8172932649998398565e-6, 1.9082127165539389257e-6,
      9.5396203387279611315e-7, 4.7693298678780646312e-7, 2.3845050272773299000e-7,
      1.1921992596531107307e-7, 5.9608189051259479612e-8, 2.9803503514652280186e-8,
      1.4901554828365041235e-8, 7.4507117898354294920e-9, 3.7253340247884570548e-9,
      1.8626597235130490064e-9, 9.3132743241966818287e-10};
  double series = 0;
  for (std::size_t i = kZetaMinusOne.size(); i-- > 0;) {
    series = kZetaMinusOne[i] / static_cast<double>(i + 2) - w * series;
  }
  return w * (kOneMinusEuler + w * series);
}

// Stirling's series. REQUIRES: x >= 10.
double lgamma_large(double x) {
  constexpr double kHalfLogTwoPi = 0.91893853320467274178;
  const double inverse = 1 / x;
  const double square = inverse * inverse;
  const double correction =
      inverse *
      (1.0 / 12 - square * (1.0 / 360 -
                            square * (1.0 / 1260 - square * (1.0 / 1680 - square * (1.0 / 1188)))));
  return (x - 0.5) * stable_log(x) - x + kHalfLogTwoPi + correction;
}

}  // namespace

double stable_log(double x) {
  SCSIM_CHECK(x > 0 && x < kInfinity);
  const TwoDoubles log = log_in_two(x);
  return log.high + log.low;
}

double stable_exp(double x) {
  SCSIM_CHECK(x == x);  // a number
  return exp_of_two(x, 0);
}

double stable_pow(double x, double y) {
  SCSIM_CHECK_GE(x, 0.0);
  if (y == 0 || x == 1) return 1;
  if (x == 0 || x == kInfinity) return (x == 0) == (y > 0) ? 0 : kInfinity;
  const TwoDoubles log = log_in_two(x);
  const double rough = y * log.high;
  if (rough > 710) return kInfinity;
  if (rough < -710) return 0;
  const TwoDoubles product = two_product(y, log.high);
  return exp_of_two(product.high, product.low + y * log.low);
}

// cos(x) by the distance r to the nearest multiple k of pi/2. The first two parts of pi/2 have 33
// bits, so that their products with k are exact.
double stable_cos(double x) {
  SCSIM_CHECK(x > -1e6 && x < 1e6);
  constexpr double kTwoOverPi = 0x1.45f306dc9c883p-1;
  constexpr std::array<double, 3> kHalfPi = {0x1.921fb54400000p+0, 0x1.0b4611a600000p-34,
                                             0x1.3198a2e037073p-69};
  const int k = round_to_int(x * kTwoOverPi);
  const TwoDoubles reduced = two_sum(x - k * kHalfPi[0], -k * kHalfPi[1]);
  const double r = reduced.high + (reduced.low - k * kHalfPi[2]);
  switch (k & 3) {
    case 0:
      return cos_series(r);
    case 1:
      return -sin_series(r);
    case 2:
      return -cos_series(r);
    default:
      return sin_series(r);
  }
}

// Gamma(x + 1) = x Gamma(x) moves the argument to where a series is good; around the zeros at 1
// and 2 the series is in the distance to them, so that the relative error stays small.
double stable_lgamma(double x) {
  SCSIM_CHECK(x > 0 && x < kInfinity);
  if (x < 0.5) return lgamma_near_two(x) - stable_log(x) - stable_log(x + 1);
  if (x < 1.5) return lgamma_near_two(x - 1) - stable_log(x);
  if (x <= 2.5) return lgamma_near_two(x - 2);
  double product = 1;
  if (x < 8) {
    while (x > 2.5) product *= (x -= 1);
    return lgamma_near_two(x - 2) + stable_log(product);
  }
  while (x < 15) {
    product *= x;
    x += 1;
  }
  return lgamma_large(x) - stable_log(product);
}

}  // namespace scsim
