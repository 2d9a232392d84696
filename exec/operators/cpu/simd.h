// Eight floats at a time, in the compiler's own vector types: one source serves every instruction
// set it is compiled for (SCSIM_ISA names the namespace). Everything here is internal to the file
// that includes it, so that no code for one instruction set is ever linked into another's callers.
#pragma once

#include <cstdint>
#include <cstring>

namespace scsim::exec {
namespace {

using Float8 = float __attribute__((vector_size(32)));
using Int8 = std::int32_t __attribute__((vector_size(32)));

#define SCSIM_INLINE inline __attribute__((always_inline))

constexpr float kMinusInfinity = -__builtin_inff();

SCSIM_INLINE Float8 load(const float* from) {
  Float8 v;
  std::memcpy(&v, from, sizeof(v));
  return v;
}
SCSIM_INLINE void store(float* to, Float8 v) { std::memcpy(to, &v, sizeof(v)); }
SCSIM_INLINE Float8 all(float x) { return Float8{x, x, x, x, x, x, x, x}; }

SCSIM_INLINE Float8 larger(Float8 a, Float8 b) { return a > b ? a : b; }

SCSIM_INLINE float sum_lanes(Float8 v) {
  v += __builtin_shufflevector(v, v, 4, 5, 6, 7, 0, 1, 2, 3);
  v += __builtin_shufflevector(v, v, 2, 3, 0, 1, 6, 7, 4, 5);
  v += __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6);
  return v[0];
}

SCSIM_INLINE float largest_lane(Float8 v) {
  v = larger(v, __builtin_shufflevector(v, v, 4, 5, 6, 7, 0, 1, 2, 3));
  v = larger(v, __builtin_shufflevector(v, v, 2, 3, 0, 1, 6, 7, 4, 5));
  v = larger(v, __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6));
  return v[0];
}

// The sums of eight vectors, in order.
SCSIM_INLINE Float8 sums_of(const Float8* v) {
  const auto pairs = [](Float8 a, Float8 b) {  // a0+a1 a2+a3 b0+b1 b2+b3 | the same of 4..7
    return __builtin_shufflevector(a, b, 0, 2, 8, 10, 4, 6, 12, 14) +
           __builtin_shufflevector(a, b, 1, 3, 9, 11, 5, 7, 13, 15);
  };
  const Float8 low = pairs(pairs(v[0], v[1]), pairs(v[2], v[3]));
  const Float8 high = pairs(pairs(v[4], v[5]), pairs(v[6], v[7]));
  return __builtin_shufflevector(low, high, 0, 1, 2, 3, 8, 9, 10, 11) +
         __builtin_shufflevector(low, high, 4, 5, 6, 7, 12, 13, 14, 15);
}

// Rows become columns.
SCSIM_INLINE void transpose(Float8* r) {
  Float8 t[8];
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    t[2 * i] = __builtin_shufflevector(r[2 * i], r[2 * i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
    t[2 * i + 1] = __builtin_shufflevector(r[2 * i], r[2 * i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
  }
#pragma GCC unroll 2
  for (int i = 0; i < 2; ++i) {
    Float8* s = t + 4 * i;
    const Float8 a = __builtin_shufflevector(s[0], s[2], 0, 1, 8, 9, 4, 5, 12, 13);
    const Float8 b = __builtin_shufflevector(s[0], s[2], 2, 3, 10, 11, 6, 7, 14, 15);
    const Float8 c = __builtin_shufflevector(s[1], s[3], 0, 1, 8, 9, 4, 5, 12, 13);
    const Float8 d = __builtin_shufflevector(s[1], s[3], 2, 3, 10, 11, 6, 7, 14, 15);
    s[0] = a, s[1] = b, s[2] = c, s[3] = d;
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    r[i] = __builtin_shufflevector(t[i], t[4 + i], 0, 1, 2, 3, 8, 9, 10, 11);
    r[4 + i] = __builtin_shufflevector(t[i], t[4 + i], 4, 5, 6, 7, 12, 13, 14, 15);
  }
}

// 2^x for x <= 127, within 1.5 units in the last place; 0 below 2^-126. NaN stays NaN.
// x = n + f with n whole and |f| <= 1/2; 2^f is a polynomial with error 5e-9, 2^n an exponent.
SCSIM_INLINE Float8 power_of_two(Float8 x) {
  const Float8 floor = all(-126.0F);
  const Float8 clamped = x < floor ? floor : x;
  const Float8 magic = all(12582912.0F);  // 1.5 * 2^23: adding it rounds to a whole number
  const Float8 shifted = clamped + magic;
  const Float8 f = clamped - (shifted - magic);
  Float8 p = all(0.00015461447765119374F);
  p = p * f + 0.0013390866806730628F;
  p = p * f + 0.009618056938052177F;
  p = p * f + 0.055503569543361664F;
  p = p * f + 0.24022650718688965F;
  p = p * f + 0.6931471824645996F;
  p = p * f + 1.0F;
  const Int8 n = reinterpret_cast<Int8>(shifted) << 23;  // the magic's own bits fall out
  const Float8 y = reinterpret_cast<Float8>(reinterpret_cast<Int8>(p) + n);
  return x < floor ? Float8{} : y;
}

constexpr float kLog2E = 1.44269504088896341F;

// Within 1 + |x| / 8 units in the last place. Below -88 the result is less than the least normal
// number, and 0 here.
SCSIM_INLINE Float8 silu(Float8 x) {
  const Float8 exponent = x * -kLog2E;
  const Float8 most = all(127.0F);
  const Float8 y = x / (1.0F + power_of_two(exponent > most ? most : exponent));
  return exponent > most ? Float8{} : y;
}

// The K row of token `position`; its V row lies page_tokens * head_dim floats behind.
template <class Head>
SCSIM_INLINE const float* key_row(const Head& head, std::int64_t position) {
  const std::int64_t page = head.pages[position / head.page_tokens];
  return head.pool + (page * 2 * head.page_tokens + position % head.page_tokens) * head.head_dim;
}

}  // namespace
}  // namespace scsim::exec
