// What CacheBlend and EPIC are set by besides which rows they compute, and what their contracts
// have in common: the cache they leave is as large as full attention's and read as that is.
#pragma once

#include <vector>

#include "methods/contract.h"
#include "methods/method.h"

namespace scsim::methods {

struct ChunkParameters {
  std::int64_t chunk_tokens = 0;  // 0: documents are chunks
  std::int64_t lead_tokens = 0;
  std::int64_t capacity_bytes = 0;  // 0: no limit
  bool causal = true;               // or as released code masks
};

// "chunk", "lead", "mask" and "capacity".
std::vector<MethodParameter> chunk_parameters();
ChunkParameters chunk_parameters(const MethodParameters& parameters);

class ChunkReuseContract : public DenseContract {
 public:
  explicit ChunkReuseContract(const ChunkParameters& parameters) : parameters_(parameters) {}

  // A selection is one list, of the rows computed in the layer, counted from the first new token.
  double prefill_pairs_given(const AttentionLayer& layer, Tokens fresh, Tokens cached,
                             const RecordedSelection& selection) const override;
  bool allows_chunked_prefill() const override { return false; }
  ReuseClass reuse(SessionMode) const override { return ReuseClass::kPositionFree; }

 protected:
  // Between so many rows, the earliest there can be, and all of them.
  static PairBounds pairs_of(const AttentionLayer& layer, Tokens fresh, Tokens cached,
                             std::int64_t fewest_rows);

 private:
  ChunkParameters parameters_;
};

}  // namespace scsim::methods
