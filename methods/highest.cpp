#include "methods/highest.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "exec/api/largest.h"

namespace scsim::methods {

namespace {

float ordered(float score) {
  return std::isnan(score) ? -std::numeric_limits<float>::infinity() : score;
}

}  // namespace

std::vector<std::int32_t> highest(std::span<const float> scores, std::int64_t count) {
  std::vector<float> numbers(scores.size()), scratch;
  std::ranges::transform(scores, numbers.begin(), ordered);
  std::vector<std::int32_t> positions;
  exec::append_largest(numbers.data(), std::ssize(numbers), count, positions, scratch);
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
