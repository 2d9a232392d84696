// Logs that name the blocks of a prompt by hashes: runs of new blocks become contents.
//
//   HashedBlocks blocks(Tokens(512));
//   blocks.append({0, 1, 2}, Tokens(1100), writer, request.prompt);   // content A: blocks 0 1 2
//   blocks.append({0, 1, 7}, Tokens(1400), writer, request.prompt);   // A from 0, 1024 tokens; B
//
// Each run of blocks that no earlier prompt had is one content; a block seen before is the part of
// the content it was first seen in, whatever its neighbours are now. Block k of a content begins at
// its token k * block_tokens, also where the last block of a prompt was partial, so a content is as
// long as its whole blocks and a span covers only the tokens there are. Memory: 24 bytes or so for
// each distinct block.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <span>
#include <vector>

#include "traces/expected.h"
#include "traces/quantity.h"
#include "traces/trace.h"

namespace scsim {

// Adds a span at the end of a prompt, as part of the last one where it goes on from there.
void append_span(std::vector<Span>& prompt, Span span);

inline constexpr std::int64_t kMostBlockTokens = 65536;

class HashedBlocks {
 public:
  // REQUIRES: 0 < block_tokens <= kMostBlockTokens.
  explicit HashedBlocks(Tokens block_tokens) : block_tokens_(block_tokens) {}

  // Whether there is an id for each block of so many tokens; the error says how many there should
  // be.
  Expected<void> check_fits(std::span<const std::uint64_t> ids, Tokens tokens) const;

  // REQUIRES: check_fits(ids, tokens).
  void append(std::span<const std::uint64_t> ids, Tokens tokens, TraceWriter& writer,
              std::vector<Span>& prompt);

 private:
  struct Place {
    ContentId content;
    Tokens first;
  };

  Tokens block_tokens_;
  boost::unordered_flat_map<std::uint64_t, Place> places_;
  std::vector<std::uint64_t> run_;  // ids of the run of new blocks that is being gathered
};

}  // namespace scsim
