// A tree of the prefixes that are known, whose nodes are runs of blocks.
//
// A block is named by its tokens and all tokens before it. Blocks that have always been used
// together are one *run*: a token path and a range of depths in blocks. A run is split where two
// paths part, or where its user treats one part unlike another. So cost grows with the pieces of
// prompts and the branches of the tree, never with blocks.
//
// The last, partly filled block of a prompt can be known too: a run of its own, one block long,
// that equals only a block of exactly the same tokens.
//
//   RunTree<Payload> tree(512, paths);
//   tree.walk(path, tokens, true, pieces);      // as far as it is known
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <vector>

#include "sim/token_path.h"
#include "traces/check.h"

namespace scsim::sim {

using RunId = std::int32_t;
inline constexpr RunId kNoRun = -1;

// Payload: what the user keeps with a run; new runs have Payload().
template <class Payload>
class RunTree {
 public:
  static constexpr RunId kRoot = 0;

  struct Run {
    std::int32_t begin = 0, end = 0;  // depth, in blocks
    RunId parent = kNoRun;
    std::int32_t children = 0;
    std::int32_t tail_tokens = 0;  // of a partly filled block; else 0
    PathId path = kNoPath;         // describes it
    std::int32_t piece = 0;        // of the path, at or before the first token
    Payload payload{};

    std::int64_t blocks() const { return end - begin; }

   private:
    friend class RunTree;
    std::uint64_t key_ = 0;  // hash of parent and first block
    RunId next_same_key_ = kNoRun;
    RunId newest_child_ = kNoRun;  // unless it has gone since
  };

  // The first `blocks` of a run.
  struct Piece {
    RunId run;
    std::int64_t blocks;
  };

  RunTree(std::int64_t block_tokens, TokenPaths& paths) : block_(block_tokens), paths_(paths) {
    SCSIM_CHECK_GT(block_tokens, 0);
    runs_.emplace_back();
  }
  RunTree(const RunTree&) = delete;
  RunTree& operator=(const RunTree&) = delete;

  Run& operator[](RunId run) { return runs_[static_cast<std::size_t>(run)]; }
  const Run& operator[](RunId run) const { return runs_[static_cast<std::size_t>(run)]; }
  std::int64_t block_tokens() const { return block_; }
  TokenPaths& paths() { return paths_; }
  // Ids are below this; some may be of runs that are gone (parent == kNoRun, but for the root).
  RunId limit() const { return static_cast<RunId>(runs_.size()); }

  // The runs along `path`, from the root, as far as its first `tokens` are known; every piece but
  // the last is a whole run. With `tail` the partly filled last block is looked for too. Gives the
  // blocks in all.
  std::int64_t walk(PathId path, std::int64_t tokens, bool tail, std::vector<Piece>& pieces) const {
    pieces.clear();
    const std::int64_t full = tokens / block_;
    RunId at = kRoot;
    std::int32_t piece = 0;
    std::int64_t depth = 0;
    while (depth < full) {
      std::int64_t agree = 0;
      const RunId next = child(at, path, piece, depth, full, agree);
      if (next == kNoRun) return depth;
      pieces.push_back({next, agree});
      depth += agree;
      if (depth < (*this)[next].end) return depth;
      at = next;
      piece = paths_.piece_at(path, depth * block_ - 1, piece);
    }
    if (tail && tokens % block_ != 0) {
      const RunId last = tail_child(at, path, piece, tokens);
      if (last != kNoRun) {
        pieces.push_back({last, 1});
        ++depth;
      }
    }
    return depth;
  }

  // A new run [begin, end) of `path` below `parent`. REQUIRES: parent ends at `begin`; it has no
  // child with the same first block.
  RunId add(RunId parent, PathId path, std::int64_t begin, std::int64_t end) {
    return add_run(parent, path, begin, end, 0);
  }
  // The partly filled block with the path's tokens up to `tokens`.
  RunId add_tail(RunId parent, PathId path, std::int64_t tokens) {
    const std::int64_t begin = tokens / block_;
    return add_run(parent, path, begin, begin + 1, static_cast<std::int32_t>(tokens % block_));
  }

  // The blocks before `depth` become a run of their own, which is given back, with Payload();
  // `lower` keeps the rest, its payload and its children. REQUIRES: begin < depth < end.
  RunId split(RunId lower_id, std::int64_t depth) {
    const RunId parent = (*this)[lower_id].parent;
    SCSIM_CHECK_GT(depth, (*this)[lower_id].begin);
    SCSIM_CHECK_LT(depth, (*this)[lower_id].end);
    unlink(lower_id);
    --(*this)[parent].children;
    const Run& old = (*this)[lower_id];
    const RunId upper_id = add_run(parent, old.path, old.begin, depth, 0);
    Run& lower = (*this)[lower_id];
    lower.begin = static_cast<std::int32_t>(depth);
    lower.parent = upper_id;
    lower.piece = paths_.piece_at(lower.path, depth * block_, lower.piece);
    lower.key_ = key(upper_id, lower.path, lower.piece, depth * block_, block_);
    (*this)[upper_id].children = 1;
    link(lower_id);
    return upper_id;
  }

  // While held, the run and those before it stay, whatever becomes of what was behind it.
  void hold(RunId id) { ++(*this)[id].children; }
  void let_go(RunId id) { --(*this)[id].children; }

  // The run loses its blocks from `depth` on. REQUIRES: no children; begin < depth < end.
  void shorten(RunId id, std::int64_t depth) {
    Run& run = (*this)[id];
    SCSIM_CHECK_EQ(run.children, 0);
    SCSIM_CHECK(run.begin < depth && depth < run.end);
    run.end = static_cast<std::int32_t>(depth);
  }

  // REQUIRES: no children. Gives the parent.
  RunId remove(RunId id) {
    Run& run = (*this)[id];
    SCSIM_CHECK_EQ(run.children, 0);  // INV-PREFIX
    unlink(id);
    const RunId parent = run.parent;
    --(*this)[parent].children;
    paths_.drop_reference(run.path);
    run = Run{};
    unused_.push_back(id);
    return parent;
  }

 private:
  std::uint64_t key(RunId parent, PathId path, std::int32_t piece, std::int64_t from,
                    std::int64_t tokens) const {
    return paths_.hash(path, piece, from, from + tokens) +
           static_cast<std::uint64_t>(parent) * 0x9E3779B97F4A7C15u;
  }

  // The child of `parent` that begins with the block of `path` at `depth`, and how many blocks
  // agree, up to `max_depth`.
  RunId child(RunId parent, PathId path, std::int32_t piece, std::int64_t depth,
              std::int64_t max_depth, std::int64_t& agree) const {
    const Run& above = (*this)[parent];
    if (above.children == 0) return kNoRun;
    const auto agrees = [&](const Run& run) {
      if (run.parent != parent || run.tail_tokens != 0) return false;
      const std::int64_t limit = std::min<std::int64_t>(run.end, max_depth) * block_;
      agree = paths_.agree_until(run.path, run.piece, path, piece, depth * block_, limit) / block_ -
              depth;
      return agree > 0;
    };
    // What was split and has not branched is a chain, and needs no hash to be followed.
    const RunId newest = above.newest_child_;
    if (above.children == 1 && newest != kNoRun && (*this)[newest].parent == parent)
      return agrees((*this)[newest]) ? newest : kNoRun;
    const auto found = by_key_.find(key(parent, path, piece, depth * block_, block_));
    if (found == by_key_.end()) return kNoRun;
    for (RunId id = found->second; id != kNoRun; id = (*this)[id].next_same_key_) {
      if (agrees((*this)[id])) return id;
    }
    return kNoRun;
  }

  RunId tail_child(RunId parent, PathId path, std::int32_t piece, std::int64_t tokens) const {
    if ((*this)[parent].children == 0) return kNoRun;
    const std::int64_t from = tokens / block_ * block_;
    const auto found = by_key_.find(key(parent, path, piece, from, tokens - from));
    if (found == by_key_.end()) return kNoRun;
    for (RunId id = found->second; id != kNoRun; id = (*this)[id].next_same_key_) {
      const Run& run = (*this)[id];
      if (run.parent == parent && run.tail_tokens == tokens - from &&
          paths_.agree_until(run.path, run.piece, path, piece, from, tokens) == tokens) {
        return id;
      }
    }
    return kNoRun;
  }

  RunId add_run(RunId parent, PathId path, std::int64_t begin, std::int64_t end,
                std::int32_t tail_tokens) {
    RunId id;
    if (unused_.empty()) {
      id = static_cast<RunId>(runs_.size());
      runs_.emplace_back();
    } else {
      id = unused_.back();
      unused_.pop_back();
    }
    Run& run = (*this)[id];
    run.begin = static_cast<std::int32_t>(begin);
    run.end = static_cast<std::int32_t>(end);
    run.parent = parent;
    run.tail_tokens = tail_tokens;
    run.path = path;
    run.piece = paths_.piece_at(path, begin * block_, 0);
    run.key_ = key(parent, path, run.piece, begin * block_, tail_tokens > 0 ? tail_tokens : block_);
    paths_.add_reference(path);
    ++(*this)[parent].children;
    link(id);
    return id;
  }

  void link(RunId id) {
    Run& run = (*this)[id];
    (*this)[run.parent].newest_child_ = id;
    const auto [place, fresh] = by_key_.try_emplace(run.key_, id);
    run.next_same_key_ = fresh ? kNoRun : place->second;
    place->second = id;
  }

  void unlink(RunId id) {
    const auto place = by_key_.find((*this)[id].key_);
    SCSIM_CHECK(place != by_key_.end());
    RunId* link = &place->second;
    while (*link != id) {
      SCSIM_CHECK_NE(*link, kNoRun);
      link = &(*this)[*link].next_same_key_;
    }
    *link = (*this)[id].next_same_key_;
    if (place->second == kNoRun) by_key_.erase(place);
  }

  std::int64_t block_;
  TokenPaths& paths_;
  std::vector<Run> runs_;
  std::vector<RunId> unused_;
  boost::unordered_flat_map<std::uint64_t, RunId> by_key_;
};

}  // namespace scsim::sim
