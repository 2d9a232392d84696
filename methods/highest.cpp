#include "methods/highest.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace scsim::methods {

namespace {

float ordered(float score) {
  return std::isnan(score) ? -std::numeric_limits<float>::infinity() : score;
}

}  // namespace

std::vector<std::int32_t> highest(std::span<const float> scores, std::int64_t count) {
  std::vector<std::int32_t> positions(scores.size());
  std::iota(positions.begin(), positions.end(), 0);
  if (count >= std::ssize(scores)) return positions;
  if (count <= 0) return {};
  const auto score = [&](std::int32_t i) { return ordered(scores[static_cast<std::size_t>(i)]); };
  const auto end = positions.begin() + count;
  std::nth_element(positions.begin(), end - 1, positions.end(),
                   [&](std::int32_t a, std::int32_t b) {
                     return score(a) != score(b) ? score(a) > score(b) : a < b;
                   });
  std::sort(positions.begin(), end);
  positions.resize(static_cast<std::size_t>(count));
  return positions;
}

std::int32_t lowest(std::span<const float> scores) {
  std::size_t least = 0;
  for (std::size_t i = 1; i < scores.size(); ++i) {
    if (ordered(scores[i]) <= ordered(scores[least])) least = i;
  }
  return static_cast<std::int32_t>(least);
}

}  // namespace scsim::methods
