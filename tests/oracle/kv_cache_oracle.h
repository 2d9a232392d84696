// A KV cache as plain rows: per layer and head a vector of keys and values, copied whole by every
// fork. Pages appear only as marks: which runs of page_tokens rows have been quantised.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "exec/api/quantised_page.h"

namespace scsim::test {

struct CacheRow {
  std::vector<float> key, value;
};

struct OracleHead {
  std::vector<CacheRow> rows;
  std::vector<bool> quantised;  // of each whole page; missing ones are not
};

struct KvCacheOracle {
  std::int64_t page_tokens = 0;
  std::vector<std::vector<OracleHead>> layers;  // [layer][head]
  std::int64_t seen = 0;

  void expand_heads(std::size_t layer, std::size_t heads);  // copies rows
  void keep(std::size_t layer, std::size_t head, std::span<const std::int32_t> positions);
  void quantise(std::size_t layer, std::int64_t tokens, const exec::QuantisedFormat& format);
};

}  // namespace scsim::test
