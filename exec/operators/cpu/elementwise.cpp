// The parts of a layer between the products, a row at a time and in one pass over memory each.
#include <cstdint>

#include "exec/operators/cpu/kernels.h"
#include "exec/operators/cpu/simd.h"
#include "exec/operators/cpu/tables.h"

namespace scsim::exec::SCSIM_ISA {
void rms_norm(float* x_updated, const float* x, const float* delta, const float* weight,
              std::int64_t n, float epsilon, float* y) {
  Float8 squares[2] = {};
  float rest = 0;
  const auto value = [&](std::int64_t i) {
    Float8 v = load(x + i);
    if (delta) {
      v += load(delta + i);
      store(x_updated + i, v);
    }
    return v;
  };
  std::int64_t i = 0;
  for (; i + 16 <= n; i += 16) {
    const Float8 a = value(i), b = value(i + 8);
    squares[0] += a * a;
    squares[1] += b * b;
  }
  for (; i < n; ++i) {
    float v = x[i];
    if (delta) x_updated[i] = v = v + delta[i];
    rest += v * v;
  }
  const float mean = (sum_lanes(squares[0] + squares[1]) + rest) / static_cast<float>(n);
  const float factor = 1 / __builtin_sqrtf(mean + epsilon);
  const float* from = delta ? x_updated : x;
  for (i = 0; i + 8 <= n; i += 8) store(y + i, load(from + i) * factor * load(weight + i));
  for (; i < n; ++i) y[i] = from[i] * factor * weight[i];
}

void silu_and_multiply(const float* gate, const float* up, std::int64_t n, float* y) {
  std::int64_t i = 0;
  for (; i + 8 <= n; i += 8) store(y + i, silu(load(gate + i)) * load(up + i));
  for (; i < n; ++i) y[i] = silu(all(gate[i]))[0] * up[i];
}

void rope(float* x, const float* cos, const float* sin, std::int64_t half, bool interleaved) {
  const std::int64_t step = interleaved ? 2 : 1, apart = interleaved ? 1 : half;
  std::int64_t i = 0;
  if (!interleaved) {
    for (; i + 8 <= half; i += 8) {
      const Float8 a = load(x + i), b = load(x + half + i), c = load(cos + i), s = load(sin + i);
      store(x + i, a * c - b * s);
      store(x + half + i, b * c + a * s);
    }
  }
  for (; i < half; ++i) {
    float &a = x[i * step], &b = x[i * step + apart];
    const float old = a;
    a = old * cos[i] - b * sin[i];
    b = b * cos[i] + old * sin[i];
  }
}

}  // namespace scsim::exec::SCSIM_ISA
