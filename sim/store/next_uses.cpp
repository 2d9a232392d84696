#include "sim/store/next_uses.h"

#include "sim/store/known_path.h"

namespace scsim::sim {
namespace {

struct NextUser {
  std::uint64_t number = kNeverUsed;
};
using Tree = RunTree<NextUser>;

struct KeptRequest {
  PathId path;
  std::int64_t prompt_tokens, kept_tokens;
};

}  // namespace

Expected<NextUses> NextUses::read(const std::string& trace, const CacheKeeping& keeping,
                                  const std::function<void(double)>& progress) {
  TokenPaths paths;
  auto reader = CacheTrace::open(trace, keeping, paths);
  if (!reader) return reader.error();
  std::vector<KeptRequest> requests;
  NextUses next;
  std::int64_t blocks = 0;
  CacheRequest request;
  for (;;) {
    const Expected<bool> more = reader->next(request);
    if (!more) return more.error();
    if (!*more) break;
    requests.push_back({request.path, request.prompt_tokens, request.kept_tokens});
    next.blocks_before_.push_back(blocks);
    blocks += keeping.blocks(request.kept_tokens);
    if (progress && requests.size() % 1024 == 0) progress(reader->progress() / 2);
  }

  Tree tree(keeping.block_tokens, paths);
  std::vector<Tree::Piece> pieces;
  next.begin_.resize(requests.size());
  for (std::size_t i = requests.size(); i-- > 0;) {
    const auto [path, prompt_tokens, kept_tokens] = requests[i];
    next.begin_[i] = next.uses_.size();
    std::int64_t depth = 0;
    const auto add = [&](std::int64_t count, std::uint64_t number) {
      depth += count;
      if (next.uses_.size() > next.begin_[i] && next.uses_.back().number == number) {
        next.uses_.back().end = depth;
      } else {
        next.uses_.push_back({depth, number});
      }
    };
    tree.walk(path, kept_tokens, keeping.tail, pieces);
    for (const Tree::Piece& piece : pieces) add(piece.blocks, tree[piece.run].payload.number);
    if (const std::int64_t all = keeping.blocks(kept_tokens); depth < all)
      add(all - depth, kNeverUsed);

    if (kept_tokens != prompt_tokens) tree.walk(path, prompt_tokens, keeping.tail, pieces);
    make_known(
        tree, path, prompt_tokens, keeping.tail, pieces, [](RunId, RunId) {}, [](RunId) {});
    for (const Tree::Piece& piece : pieces) tree[piece.run].payload.number = i;
    paths.drop_reference(path);
    if (progress && i % 1024 == 0) {
      const double left = static_cast<double>(i) / static_cast<double>(requests.size());
      progress(1 - left / 2);
    }
  }
  return next;
}

std::span<const KvStore::NextUse> NextUses::of(std::uint64_t request) const {
  const std::size_t begin = begin_[request];
  const std::size_t end = request == 0 ? uses_.size() : begin_[request - 1];
  return {uses_.data() + begin, end - begin};
}

}  // namespace scsim::sim
