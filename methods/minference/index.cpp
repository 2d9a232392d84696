#include "methods/minference/index.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <numeric>

namespace scsim::methods {
namespace {

// The `count` numbers below `size` that go first in `order`.
template <class Order>
std::vector<std::int32_t> first_of(std::int64_t size, std::int64_t count, const Order& order) {
  std::vector<std::int32_t> numbers(static_cast<std::size_t>(size));
  std::iota(numbers.begin(), numbers.end(), 0);
  if (count < size) {
    std::nth_element(numbers.begin(), numbers.begin() + count, numbers.end(), order);
    numbers.resize(static_cast<std::size_t>(count));
  }
  return numbers;
}

// Means of blocks of rows, the last filled up with zeros: [blocks, head_dim].
at::Tensor pooled(const at::Tensor& rows, std::int64_t block) {
  const std::int64_t count = rows.size(0), blocks = (count + block - 1) / block;
  const at::Tensor padded =
      at::constant_pad_nd(rows.to(at::kFloat), {0, 0, 0, blocks * block - count});
  return padded.view({blocks, block, rows.size(1)}).mean(1);
}

}  // namespace

std::vector<std::int32_t> choose_columns(const float* scores, std::int64_t keys, std::int64_t count,
                                         std::int64_t forced) {
  const auto order = [&](std::int32_t a, std::int32_t b) {
    const bool a_forced = a < forced, b_forced = b < forced;
    if (a_forced != b_forced) return a_forced;
    if (!a_forced && scores[a] != scores[b]) return scores[a] > scores[b];
    return a < b;
  };
  std::vector<std::int32_t> chosen = first_of(keys, count, order);
  std::ranges::sort(chosen);
  return chosen;
}

std::vector<std::int32_t> choose_diagonals(const float* scores, std::int64_t keys,
                                           std::int64_t count, std::int64_t forced) {
  const std::int64_t nearest = std::max<std::int64_t>(1, forced);
  const auto order = [&](std::int32_t a, std::int32_t b) {
    const bool a_forced = a < nearest, b_forced = b < nearest;
    if (a_forced != b_forced) return a_forced;
    if (!a_forced && scores[a] != scores[b]) return scores[a] > scores[b];
    return a < b;
  };
  std::vector<std::int32_t> chosen = first_of(keys, count, order);
  std::ranges::sort(chosen, std::greater());
  return chosen;
}

std::vector<std::vector<std::int32_t>> choose_blocks(const at::Tensor& queries,
                                                     const at::Tensor& keys, std::int64_t first,
                                                     std::int64_t count, std::int64_t block) {
  const at::Tensor scores =
      at::matmul(pooled(queries, block), pooled(keys, block).t()).cpu().contiguous();
  const std::int64_t end = first + queries.size(0);
  std::vector<std::vector<std::int32_t>> chosen;
  for (std::int64_t b = 0; b < scores.size(0); ++b) {
    const float* of = scores.const_data_ptr<float>() + b * scores.size(1);
    const std::int64_t last_row = std::min(first + (b + 1) * block, end) - 1;
    const std::int64_t available = last_row / block + 1;
    chosen.push_back(first_of(
        available, std::min(count, available),
        [of](std::int32_t x, std::int32_t y) { return of[x] != of[y] ? of[x] > of[y] : x < y; }));
    std::ranges::sort(chosen.back());
  }
  return chosen;
}

}  // namespace scsim::methods
