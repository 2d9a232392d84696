// The tokens of a request, in order, as merged pieces of contents: its prompt and then its answer.
//
// Two paths agree on a token where the content and the index in it agree; nothing is stored per
// token or per block. Paths are shared: the request that made one holds it, and so does every run
// of cached blocks that was described by it (sim/block_pool.h), so they are counted references in a
// slab.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "traces/trace.h"

namespace scsim::sim {

using PathId = std::int32_t;
inline constexpr PathId kNoPath = -1;

class TokenPaths {
 public:
  // A new path with one reference: the prompt's spans, then `output_tokens` of `output` (an invalid
  // content: an answer nobody else can have). Paths of different salts agree nowhere.
  // REQUIRES: fewer than 2^31 tokens.
  PathId make(std::span<const Span> prompt, ContentId output, std::int64_t output_tokens,
              std::uint64_t salt);
  // The path with its first `tokens` tokens replaced by the first `count` of `content`.
  PathId replace_front(PathId path, std::int64_t tokens, ContentId content, std::int64_t count);
  // Where a piece ends, from the first to the last.
  std::vector<std::int64_t> piece_ends(PathId path) const;
  // A content that is no trace's and no other path's.
  ContentId private_content() { return ContentId(next_private_content_--); }
  void add_reference(PathId path) { ++paths_[path].references; }
  void drop_reference(PathId path);

  std::int64_t tokens(PathId path) const { return paths_[path].tokens; }
  std::uint64_t salt(PathId path) const { return paths_[path].salt; }
  // Tells paths apart that had the same id one after the other.
  std::uint64_t made(PathId path) const { return paths_[path].made; }

  // The piece that holds token `position`; `hint` is a piece at or before it. Cost: pieces passed.
  std::int32_t piece_at(PathId path, std::int64_t position, std::int32_t hint = 0) const;

  // From which token on, at or after `from` and up to `limit`, the two paths differ. The hints are
  // pieces at or before `from` in each. REQUIRES: both have at least `limit` tokens.
  std::int64_t agree_until(PathId a, std::int32_t hint_a, PathId b, std::int32_t hint_b,
                           std::int64_t from, std::int64_t limit) const;

  // A hash of tokens [from, to): equal for equal tokens however the pieces are cut.
  std::uint64_t hash(PathId path, std::int32_t hint, std::int64_t from, std::int64_t to) const;

 private:
  struct Piece {
    std::uint64_t content;
    std::int32_t first;  // index in the content of the piece's first token
    std::int32_t begin;  // position in the path of that token
  };
  struct Path {
    std::vector<Piece> pieces;  // keeps its capacity when the slot is used again
    std::int64_t tokens = 0;
    std::uint64_t salt = 0;
    std::int32_t references = 0;
    std::uint64_t made = 0;
  };
  PathId empty_path(std::uint64_t salt);
  void append(Path& path, std::uint64_t content, std::int64_t first, std::int64_t count);
  std::int64_t piece_end(const Path& path, std::size_t piece) const {
    return piece + 1 < path.pieces.size() ? path.pieces[piece + 1].begin : path.tokens;
  }

  std::vector<Path> paths_;
  std::vector<PathId> unused_;
  std::uint64_t made_ = 0;
  std::uint64_t next_private_content_ = ~std::uint64_t{0} - 1;  // counts down; never a trace's id
};

}  // namespace scsim::sim
