#include "exec/text/unigram.h"

#include <algorithm>

#include "exec/text/characters.h"

namespace scsim::exec {
namespace {

constexpr double kUnknownPenalty = 10;  // SentencePiece's: below the least of all scores

}  // namespace

void UnigramModel::add(std::string_view piece, std::int32_t id, double score) {
  std::uint32_t node = 0;
  for (const char c : piece) {
    const auto [found, is_new] =
        edges_.try_emplace(edge(node, c), static_cast<std::uint32_t>(nodes_.size()));
    node = found->second;
    if (is_new) nodes_.emplace_back();
  }
  nodes_[node] = {id, score};
  least_ = std::min(least_, score);
}

std::span<const std::pair<std::int32_t, std::string_view>> UnigramModel::encode(
    std::string_view text, Workspace& work) const {
  work.best.assign(text.size() + 1, {});
  const double unknown_score = sum(least_, -kUnknownPenalty);
  for (std::size_t at = 0; at < text.size();) {
    const double so_far = work.best[at].score;
    const std::size_t one = character_at(text.data() + at).bytes;
    bool covered = false;
    const auto offer = [&](std::size_t end, std::int32_t id, double score) {
      Workspace::Way& way = work.best[end];
      if (way.id >= 0 && score <= way.score) return;
      way = {score, id, at};
    };
    std::uint32_t node = 0;
    for (std::size_t end = at; end < text.size();) {
      const auto next = edges_.find(edge(node, text[end]));
      if (next == edges_.end()) break;
      node = next->second;
      ++end;
      const Piece& piece = nodes_[node];
      if (piece.id < 0) continue;
      offer(end, piece.id, sum(piece.score, so_far));
      covered |= end - at == one;
    }
    if (!covered) offer(at + one, unknown_, sum(unknown_score, so_far));
    at += one;
  }
  work.pieces.clear();
  for (std::size_t end = text.size(); end > 0; end = work.best[end].from) {
    const Workspace::Way& way = work.best[end];
    work.pieces.emplace_back(way.id, text.substr(way.from, end - way.from));
  }
  std::ranges::reverse(work.pieces);
  return work.pieces;
}

}  // namespace scsim::exec
