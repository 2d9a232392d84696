#include "tests/oracle/dropping_oracle.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace scsim::test {

std::vector<std::vector<Row>> causal_weights(const Rows& q, const Rows& k) {
  const std::size_t heads = q[0].size(), group = heads / k[0].size(), numbers = q[0][0].size();
  std::vector<std::vector<Row>> weights(heads);
  for (std::size_t h = 0; h < heads; ++h) {
    for (std::size_t i = 0; i < q.size(); ++i) {
      const std::size_t own = k.size() - q.size() + i;
      Row row(k.size(), 0.0);
      double sum = 0;
      for (std::size_t p = 0; p <= own; ++p) {
        const Row &a = q[i][h], &b = k[p][h / group];
        const double logit = std::inner_product(a.begin(), a.end(), b.begin(), 0.0) /
                             std::sqrt(static_cast<double>(numbers));
        sum += row[p] = std::exp(logit);
      }
      for (double& weight : row) weight /= sum;
      weights[h].push_back(row);
    }
  }
  return weights;
}

std::vector<std::vector<std::int32_t>> snapkv_kept(const Rows& q, const Rows& k,
                                                   const SnapKvOracle& rule, std::int64_t budget) {
  const std::int64_t all = std::ssize(k);
  const std::int64_t window = std::min({rule.window, std::ssize(q), budget});
  const std::size_t heads = q[0].size(), group = heads / k[0].size();
  const std::vector<std::vector<Row>> weights = causal_weights(q, k);
  // A token's votes from one query head, then pooled with those of its neighbours.
  std::vector<Row> votes(heads, Row(static_cast<std::size_t>(all - window), 0.0));
  for (std::size_t h = 0; h < heads; ++h) {
    Row own(votes[h].size(), 0.0);
    for (const Row& row : weights[h]) {
      for (std::size_t p = 0; p < own.size(); ++p) own[p] += row[p];
    }
    for (std::int64_t p = 0; p < std::ssize(own); ++p) {
      double sum = 0,
             largest = 0;  // weights are not negative; what is beyond an end counts nothing
      for (std::int64_t n = p - rule.kernel / 2; n < p - rule.kernel / 2 + rule.kernel; ++n) {
        if (n < 0 || n >= std::ssize(own)) continue;
        sum += own[static_cast<std::size_t>(n)];
        largest = std::max(largest, own[static_cast<std::size_t>(n)]);
      }
      votes[h][static_cast<std::size_t>(p)] =
          rule.max_pooling ? largest : sum / static_cast<double>(rule.kernel);
    }
  }
  std::vector<Row> together;
  for (std::size_t h = 0; h < heads; ++h) {
    if (rule.group == SnapKvOracle::Group::kEach || h % group == 0) {
      together.push_back(votes[h]);
      continue;
    }
    Row& of_group = together.back();
    for (std::size_t p = 0; p < of_group.size(); ++p) {
      of_group[p] = rule.group == SnapKvOracle::Group::kMax ? std::max(of_group[p], votes[h][p])
                                                            : of_group[p] + votes[h][p];
    }
  }
  std::vector<std::vector<std::int32_t>> kept;
  for (const Row& of_head : together) {
    std::vector<std::int32_t> order(of_head.size());
    std::iota(order.begin(), order.end(), 0);
    std::ranges::stable_sort(order, std::ranges::greater(),
                             [&](std::int32_t p) { return of_head[static_cast<std::size_t>(p)]; });
    order.resize(std::min(order.size(), static_cast<std::size_t>(budget - window)));
    std::ranges::sort(order);
    for (std::int64_t p = all - window; p < all; ++p) order.push_back(static_cast<std::int32_t>(p));
    kept.push_back(order);
  }
  return kept;
}

}  // namespace scsim::test
