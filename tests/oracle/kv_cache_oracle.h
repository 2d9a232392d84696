// A KV cache as plain rows: per layer and head a vector of keys and values, copied whole by every
// fork. Blocks appear only as a mark: how many leading rows have been packed.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "exec/operators/packed_block.h"

namespace scsim::test {

struct CacheRow {
  std::vector<float> key, value;
};

struct OracleHead {
  std::vector<CacheRow> rows;
  std::size_t packed = 0;          // leading rows that are, in blocks
  exec::QuantisedFormat format{};  // of these
};

struct KvCacheOracle {
  std::vector<std::vector<OracleHead>> layers;  // [layer][head]
  std::int64_t seen = 0;

  void expand_heads(std::size_t layer, std::size_t heads);  // copies rows
  void keep(std::size_t layer, std::size_t head, std::span<const std::int32_t> positions);
  void quantise(std::size_t layer, std::int64_t tokens, const exec::QuantisedFormat& format);
  // Keys and values of rows [begin, end) of every head, the former in whole groups.
  void round_keys(std::size_t layer, std::size_t begin, std::size_t end,
                  const exec::QuantisedFormat& format);
  void round_values(std::size_t layer, std::size_t begin, std::size_t end,
                    const exec::QuantisedFormat& format);
};

}  // namespace scsim::test
