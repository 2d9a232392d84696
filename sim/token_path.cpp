#include "sim/token_path.h"

#include <algorithm>

#include "traces/hash.h"

namespace scsim::sim {
void TokenPaths::append(Path& path, std::uint64_t content, std::int64_t first, std::int64_t count) {
  if (count == 0) return;
  if (!path.pieces.empty()) {
    const Piece& last = path.pieces.back();
    if (last.content == content && last.first + (path.tokens - last.begin) == first) {
      path.tokens += count;
      return;
    }
  }
  path.pieces.push_back(
      {content, static_cast<std::int32_t>(first), static_cast<std::int32_t>(path.tokens)});
  path.tokens += count;
}

PathId TokenPaths::empty_path(std::uint64_t salt) {
  PathId id;
  if (unused_.empty()) {
    id = static_cast<PathId>(paths_.size());
    paths_.emplace_back();
  } else {
    id = unused_.back();
    unused_.pop_back();
  }
  Path& path = paths_[id];
  path.pieces.clear();
  path.tokens = 0;
  path.salt = salt;
  path.references = 1;
  path.made = ++made_;
  return id;
}

PathId TokenPaths::replace_front(PathId from, std::int64_t tokens, ContentId content,
                                 std::int64_t count) {
  const PathId id = empty_path(paths_[from].salt);
  Path& path = paths_[id];
  const Path& old = paths_[from];
  append(path, content.value(), 0, count);
  for (std::size_t i = 0; i < old.pieces.size(); ++i) {
    const Piece& piece = old.pieces[i];
    const std::int64_t end = piece_end(old, i);
    const std::int64_t skipped = std::max<std::int64_t>(tokens - piece.begin, 0);
    if (piece.begin + skipped < end)
      append(path, piece.content, piece.first + skipped, end - piece.begin - skipped);
  }
  return id;
}

std::vector<std::int64_t> TokenPaths::piece_ends(PathId id) const {
  const Path& path = paths_[id];
  std::vector<std::int64_t> ends;
  for (std::size_t i = 0; i < path.pieces.size(); ++i) ends.push_back(piece_end(path, i));
  return ends;
}

PathId TokenPaths::make(std::span<const Span> prompt, ContentId output, std::int64_t output_tokens,
                        std::uint64_t salt) {
  const PathId id = empty_path(salt);
  Path& path = paths_[id];
  for (const Span& span : prompt) {
    append(path, span.content.value(), span.first.value(), span.count.value());
  }
  append(path, output.valid() ? output.value() : next_private_content_--, 0, output_tokens);
  SCSIM_CHECK_LT(path.tokens, std::int64_t{1} << 31);
  return id;
}

void TokenPaths::drop_reference(PathId path) {
  SCSIM_CHECK_GT(paths_[path].references, 0);
  if (--paths_[path].references == 0) unused_.push_back(path);
}

std::int32_t TokenPaths::piece_at(PathId id, std::int64_t position, std::int32_t hint) const {
  const Path& path = paths_[id];
  std::size_t piece = static_cast<std::size_t>(hint);
  while (piece + 1 < path.pieces.size() && path.pieces[piece + 1].begin <= position) ++piece;
  return static_cast<std::int32_t>(piece);
}

std::int64_t TokenPaths::agree_until(PathId a, std::int32_t hint_a, PathId b, std::int32_t hint_b,
                                     std::int64_t from, std::int64_t limit) const {
  if (a == b) return limit;
  const Path& pa = paths_[a];
  const Path& pb = paths_[b];
  if (pa.salt != pb.salt) return from;
  std::size_t i = static_cast<std::size_t>(piece_at(a, from, hint_a));
  std::size_t j = static_cast<std::size_t>(piece_at(b, from, hint_b));
  std::int64_t position = from;
  while (position < limit) {
    const Piece& x = pa.pieces[i];
    const Piece& y = pb.pieces[j];
    if (x.content != y.content || x.first - x.begin != y.first - y.begin) return position;
    const std::int64_t end_x = piece_end(pa, i), end_y = piece_end(pb, j);
    position = std::min(end_x, end_y);
    if (position == end_x) ++i;
    if (position == end_y) ++j;
  }
  return limit;
}

std::uint64_t TokenPaths::hash(PathId id, std::int32_t hint, std::int64_t from,
                               std::int64_t to) const {
  const Path& path = paths_[id];
  std::size_t piece = static_cast<std::size_t>(piece_at(id, from, hint));
  std::uint64_t h = scramble(path.salt + 0x9E3779B97F4A7C15u);
  for (std::int64_t position = from; position < to; ++piece) {
    const Piece& p = path.pieces[piece];
    const std::int64_t end = std::min(to, piece_end(path, piece));
    h = scramble(h ^ scramble(p.content) ^
                 (static_cast<std::uint64_t>(p.first + (position - p.begin)) << 32) ^
                 static_cast<std::uint64_t>(end - position));
    position = end;
  }
  return h;
}

}  // namespace scsim::sim
