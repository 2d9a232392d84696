// Which tokens methods keep, from queries and keys as plain numbers, as their papers say it: every
// weight is computed, in double, and the tokens are sorted whole.
#pragma once

#include <cstdint>
#include <vector>

namespace scsim::test {

using Row = std::vector<double>;
using Rows = std::vector<std::vector<Row>>;  // [token][head][number]

// Attention of the last queries of `q` over all of `k`, causal, scaled by 1 / sqrt(numbers):
// [query head][query][token].
std::vector<std::vector<Row>> causal_weights(const Rows& q, const Rows& k);

struct SnapKvOracle {
  std::int64_t window = 0, kernel = 0;
  bool max_pooling = false;
  enum class Group { kMean, kMax, kEach } group = Group::kMean;
};

// Of each head (query heads where each keeps its own) the tokens that stay when at most `budget`
// may, ascending. q: the window's queries, or fewer where the prompt is shorter.
std::vector<std::vector<std::int32_t>> snapkv_kept(const Rows& q, const Rows& k,
                                                   const SnapKvOracle& rule, std::int64_t budget);

}  // namespace scsim::test
