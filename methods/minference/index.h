// What is chosen for a head before it attends: columns and diagonals by the attention that they get
// from the last queries (score_keys() of exec/api/attention.h), blocks by pooled queries and keys.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "methods/minference/key_lists.h"

namespace scsim::methods {

// The first `forced` columns and those of the largest scores, `count` in all, ascending. Of equal
// scores the lower number goes first.
std::vector<std::int32_t> choose_columns(const float* scores, std::int64_t keys, std::int64_t count,
                                         std::int64_t forced);
// Distances from query to key, descending, 0 among them: the nearest `forced` and those of the
// largest scores, of equal ones the nearer. Scores are by distance.
std::vector<std::int32_t> choose_diagonals(const float* scores, std::int64_t keys,
                                           std::int64_t count, std::int64_t forced);

// For each block of `block` rows of `queries` [rows, head_dim] at positions from `first` on,
// `count` blocks of as many of the `keys` [keys, head_dim], ascending, of those that begin no later
// than the rows end: the ones whose mean has the largest product with the mean of the queries. A
// last block that is not full has its sum divided by `block` all the same, as published.
std::vector<std::vector<std::int32_t>> choose_blocks(const at::Tensor& queries,
                                                     const at::Tensor& keys, std::int64_t first,
                                                     std::int64_t count,
                                                     std::int64_t block = kBlock);

}  // namespace scsim::methods
