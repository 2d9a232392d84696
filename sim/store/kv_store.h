// The KV store: which blocks of which prefixes lie in which tier.
//
//   KvStore store({.block_tokens = 512, .tail = true}, paths, nullptr);
//   TierId dram = store.add_tier(options);
//   store.look_up(path, tokens);                         // the prompt as runs of blocks
//   store.use(dram, store.leading(dram, 0), use);        // what is there of it
//   store.insert(dram, 0, store.blocks(), use, {.block_bytes = bytes});
//
// All tiers, whoever's they are, share one tree of runs, so a prompt is looked up once; a tier
// holds copies of runs (sim/store/tier.h). Nothing here takes time: when bytes have arrived
// somewhere is for those to say who move them.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "sim/store/tier.h"

namespace scsim::sim {

class KvStore {
 public:
  struct Options {
    std::int64_t block_tokens = 256;
    bool tail = false;  // keep the last, partly filled block of a prompt as well
  };
  // Blocks [from, to) of the path, which has `tokens` tokens up to there.
  struct LeavingBlocks {
    RunId run, parent;  // while the call lasts
    PathId path;
    std::int64_t from, to, tokens;
  };
  // Hears of blocks before they leave a tier for want of room.
  struct Listener {
    virtual ~Listener() = default;
    // The store must not be changed before the call that evicts has returned.
    virtual void leaving(TierId tier, const LeavingBlocks& blocks, const Resident& resident) = 0;
  };
  // From the request on, the number of the next one to use the blocks before depth `end`.
  struct NextUse {
    std::int64_t end;
    std::uint64_t number;
  };

  KvStore(const Options& options, TokenPaths& paths, Listener* listener);
  KvStore(const KvStore&) = delete;

  TierId add_tier(TierOptions options);
  Tier& tier(TierId tier) { return *tiers_[static_cast<std::size_t>(tier)]; }
  const Tier& tier(TierId tier) const { return *tiers_[static_cast<std::size_t>(tier)]; }
  std::size_t num_tiers() const { return tiers_.size(); }
  std::int64_t block_tokens() const { return options_.block_tokens; }

  // ---- the prompt at hand: the first `tokens` tokens of a path ----
  void look_up(PathId path, std::int64_t tokens);
  std::int64_t blocks() const { return total_; }  // its, known or not
  // The depth up to which all its blocks from `from` on are in the tier; `from` if none is.
  std::int64_t leading(TierId tier, std::int64_t from) const;
  // Of its blocks [from, to), how many are not in the tier.
  std::int64_t missing(TierId tier, std::int64_t from, std::int64_t to) const;
  // Whether any of those blocks came through a lossy codec, in that tier. REQUIRES: all are there.
  bool lossy(TierId tier, std::int64_t from, std::int64_t to) const;
  // The request uses what is in the tier of its blocks before depth `to`.
  void use(TierId tier, std::int64_t to, const Use& use);
  // Blocks [from, to) that are not in the tier come to be there, as many as room can be made for,
  // the shallowest first; gives how many came.
  std::int64_t insert(TierId tier, std::int64_t from, std::int64_t to, const Use& use,
                      const ArrivingBlocks& arrival);
  // Those of blocks [from, to) that are there leave for a tier above.
  void move_out(TierId tier, std::int64_t from, std::int64_t to, TimePoint now);
  // Blocks [from, to) cannot leave while pinned. REQUIRES: all are there.
  void pin(TierId tier, std::int64_t from, std::int64_t to);
  void unpin(TierId tier, std::int64_t from, std::int64_t to);

  // use() and insert() of the whole prompt at once; gives the blocks found before. `future` is for
  // oracles: by increasing depth, the last at blocks().
  std::int64_t serve(TierId tier, const Use& use, std::int64_t block_bytes,
                     std::span<const NextUse> future = {});

  // Called by tiers.
  RunId split(RunId run, std::int64_t depth);  // gives the new upper run
  void shorten(RunId run, std::int64_t depth);
  void drop_if_bare(RunId run);
  void leaving(TierId tier, RunId run, std::int64_t from, std::int64_t to,
               const Resident& resident);

  void check_everything() const;

 private:
  using Piece = Runs::Piece;
  void walk();
  // Makes a boundary between runs at `depth` of the prompt, if it lies inside a known run.
  void cut_at(std::int64_t depth);
  bool pieces_are_whole_runs() const;
  std::int64_t insert_pieces(TierId tier, std::int64_t from, std::int64_t to, const Use& use,
                             const ArrivingBlocks& arrival);
  void foretell(TierId tier, const Use& use, std::span<const NextUse> future);

  Options options_;
  Runs runs_;
  Listener* listener_;
  std::vector<std::unique_ptr<Tier>> tiers_;
  std::uint64_t changes_ = 0;  // of the tree; a walk is good while it stays

  PathId path_ = kNoPath;
  std::uint64_t path_made_ = 0;
  std::int64_t tokens_ = 0, full_ = 0, total_ = 0;
  std::int64_t known_ = 0;
  std::vector<Piece> pieces_;
  std::uint64_t walked_ = ~std::uint64_t{0};
  std::vector<CopyId> fresh_, spared_;
};

}  // namespace scsim::sim
