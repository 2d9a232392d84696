// Rows of queries against long runs of keys on the CPU, cut into parts that threads compute and
// that are added up in their order, so that the result has the same bits for any number of threads.
#pragma once

#include <cstdint>
#include <span>

#include "exec/operators/cpu/kernels.h"

namespace scsim::exec {

struct DecodeRow {
  PagedHead keys;
  const PackedHead* packed;   // if not null, in place of keys
  const float* q;             // [group, head_dim]
  std::int64_t group;         // query heads, all over the same keys
  std::int64_t attended;      // how many keys
  const std::int32_t* units;  // as in DecodeItem; of no meaning to packed
  std::int64_t unit;
  float* out;  // [group, head_dim]
  float* lse;  // [group]
};

// REQUIRES: all rows have this head_dim.
void decode_in_parts(std::span<const DecodeRow> rows, std::int64_t head_dim, float scale);

}  // namespace scsim::exec
