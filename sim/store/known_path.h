// A path that has been walked (RunTree::walk) becomes known as a whole: for users of the tree that
// never forget.
#pragma once

#include <vector>

#include "sim/store/run_tree.h"

namespace scsim::sim {

// `pieces` are what walk() gave for the path's first `tokens`; afterwards they are whole runs and
// hold all its blocks. `was_split(upper, lower)` hears of a run that was cut where the path leaves
// it, `added(run)` of new ones; they give the payloads.
template <class Payload, class WasSplit, class Added>
void make_known(RunTree<Payload>& tree, PathId path, std::int64_t tokens, bool tail,
                std::vector<typename RunTree<Payload>::Piece>& pieces, WasSplit was_split,
                Added added) {
  RunId last = RunTree<Payload>::kRoot;
  std::int64_t depth = 0;
  if (!pieces.empty()) {
    last = pieces.back().run;
    depth = tree[last].begin + pieces.back().blocks;
    if (depth < tree[last].end) {
      const RunId upper = tree.split(last, depth);
      was_split(upper, last);
      pieces.back().run = last = upper;
    }
  }
  const std::int64_t full = tokens / tree.block_tokens();
  if (depth < full) {
    last = tree.add(last, path, depth, full);
    pieces.push_back({last, full - depth});
    added(last);
    depth = full;
  }
  if (tail && tokens % tree.block_tokens() != 0 && depth == full) {
    last = tree.add_tail(last, path, tokens);
    pieces.push_back({last, 1});
    added(last);
  }
}

}  // namespace scsim::sim
