// What RetrievalAttention is told, which tokens that sends to the host tier, and what an index of
// them takes: for its contract and its execution.
#pragma once

#include <algorithm>
#include <cstdint>

#include "methods/method.h"
#include "methods/token_sums.h"

namespace scsim::methods {

enum class IndexKind : std::uint8_t { kGraph, kFlat, kHnsw };

struct TokenRange {
  std::int64_t begin = 0, end = 0;
  std::int64_t size() const { return end - begin; }
};

struct RetrievalOptions {
  IndexKind index = IndexKind::kGraph;
  std::int64_t top_k = 100, sinks = 128, recent = 512;
  std::int64_t block = 64;     // tokens that leave the window together
  std::int64_t queries = 256;  // of the prompt, at most, that a graph is built from, of each head
  std::int64_t degree = 32;    // links of a key
  std::int64_t beam = 128;     // candidates that a search keeps, where top_k is not more

  // Of `tokens` held, those on the host: none but the first `sinks` and the last `recent` or few
  // more are not. Both ends are whole blocks.
  TokenRange on_host(std::int64_t tokens) const {
    const std::int64_t begin = (sinks + block - 1) / block * block;
    const std::int64_t blocks = std::max<std::int64_t>(0, tokens - recent - begin) / block;
    return {begin, begin + blocks * block};
  }
  // How many are there, or `most` of them, added up over `from` + 1 .. `to` tokens held.
  std::int64_t sum_on_host(std::int64_t from, std::int64_t to, std::int64_t most) const {
    const std::int64_t stay = recent + on_host(0).begin;
    const std::int64_t first = std::max<std::int64_t>(0, from - stay);
    const std::int64_t last = std::max<std::int64_t>(0, to - stay);
    const std::int64_t enough = (most + block - 1) / block * block;  // behind so many, `most` are
    const std::int64_t few = std::clamp(enough - 1, first, last);
    return sum_of_whole_blocks(first, few, block) + (last - few) * most;
  }
};

RetrievalOptions retrieval_options(const MethodParameters& parameters);

// Bytes of the index of one head's `keys` keys.
std::int64_t index_bytes(const RetrievalOptions& options, std::int64_t keys);

// What hnswlib draws for the first `keys` keys: on how many levels above the lowest they are, all
// together.
std::int64_t hnsw_levels(std::int64_t degree, std::int64_t keys);
constexpr std::uint64_t kHnswSeed = 100;

}  // namespace scsim::methods
