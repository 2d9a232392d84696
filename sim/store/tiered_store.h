// The store under the clock: what is written where when, what is fetched from where, and how long
// the bytes take.
//
//   loadable()   is asked when an engine is about to admit a request: what could be fetched for it,
//                part by part, of what its own blocks do not hold (where that is sooner than
//                computing it, if the cluster is configured so)
//   asked()      the request uses what the tiers hold of its prompt
//   begin_load() its parts begin to move to the engine, over the links they share with all others
//   computed()   the engine has computed KV: blocks go to the tiers that are written through
//   evicted()    the engine has evicted blocks: they go to the tier that is written back
//   load_now()   the same for an engine that waits for its blocks (EngineKnobs::Loads): they are
//   there
//                when it returns, as is what it wrote back, and take_blocked_seconds() says for how
//                long the engine stands still; as if it had the links to itself, but for what is on
//                them at that moment; their own books have nothing of it
//   arrived()    what has arrived: blocks come to be in a tier, or a request has what it waited for
//
// A tier's eviction sends blocks to the tier below if that one is written back. Blocks are in a
// tier from the moment their last byte has arrived; while they are being read they cannot leave.
// What leaves a tier to make room leaves it at once: its copy to the tier below is taken to be
// staged.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sim/cluster.h"
#include "sim/store/fabric.h"
#include "sim/store/kv_store.h"
#include "traces/result.h"

namespace scsim::sim {

class TieredStore final : private KvStore::Listener {
 public:
  // A request has all it waited for.
  struct Loaded {
    std::uint64_t tag;
    std::int64_t tokens;
    bool lossy;
    FetchResult fetch;
  };

  // REQUIRES: the cluster's store has tiers, and the fabric is that of the cluster.
  TieredStore(const Cluster& cluster, TokenPaths& paths, Fabric& fabric);

  // By engine, what routers may know of the tiers it reaches.
  std::vector<std::vector<TierFacts>> facts() const;

  // The tenant is the one of that name in the cluster's configuration, if it is there.
  void tenant_seen(std::uint32_t tenant, const std::string& name);

  // For a prompt of `most` + 1 tokens of which the engine's blocks hold `found`: how many of the
  // first `most` it will have once what can be fetched has been.
  std::int64_t loadable(std::size_t engine, PathId path, std::int64_t found, std::int64_t most,
                        TimePoint now);
  void asked(std::size_t engine, PathId path, std::int64_t tokens, std::int64_t found,
             const Use& use);
  // REQUIRES: loadable() said so at this moment.
  void begin_load(std::size_t engine, PathId path, std::int64_t found, std::int64_t most,
                  std::uint64_t tag, const Use& use);
  // No further than the first `upto` tokens. REQUIRES: likewise; the engine's loads block.
  FetchResult load_now(std::size_t engine, PathId path, std::int64_t found, std::int64_t most,
                       std::int64_t upto, const Use& use);
  double take_blocked_seconds(std::size_t engine) {
    return std::exchange(engines_[engine].blocked_seconds, 0.0);
  }
  // The first `tokens` tokens of the path are in the engine's blocks, `before` of which it was told
  // before. At the end of a prompt (`before` is 0) its partly filled last block may be kept as
  // well.
  void computed(std::size_t engine, PathId path, std::int64_t before, std::int64_t tokens,
                const Use& use);
  // Blocks [from, to) of `block_tokens` tokens have left the engine.
  void evicted(std::size_t engine, PathId path, std::int64_t from, std::int64_t to,
               std::int64_t block_tokens, TimePoint now);
  // Brings the first `tokens` tokens up into the tiers that prefetch.
  bool prefetches() const { return prefetches_; }
  void prefetch(std::size_t engine, PathId path, std::int64_t tokens, const Use& use);

  // Of what the network has done, what the store had asked for; `tag` as given to Network::start.
  void arrived(const Network::Done& done, std::vector<Loaded>& loaded);
  // What had to leave a tier goes to the one below; after whatever may have made it leave.
  void demote_what_left(TimePoint now);
  // A link has gone down or come up.
  void links_changed();

  // One instance of a tier breaks: all it holds is lost, and until it works again nothing comes
  // there. Gives the bytes.
  std::int64_t fail(TierId tier, TimePoint now);
  void repair(TierId tier) { down_[static_cast<std::size_t>(tier)] = 0; }

  KvStore& store() { return *store_; }
  const Network& network() const { return network_; }
  TierId tier_of(std::size_t engine, std::size_t level) const {
    return engines_[engine].tiers[level];
  }

  // REQUIRES: result.end and result.timeline_bin, of which this tells its own. Links are the
  // network's to tell.
  Duration timeline_width() const;
  void end_of_run(Result& result);

 private:
  struct EngineAt {
    const Pool* pool;
    std::uint32_t node;
    VertexId vertex, host;
    double bytes_per_token;
    std::vector<TierId> tiers;                             // by level
    std::vector<std::span<const Route* const>> from = {};  // each of them; empty: no way now
    bool blocks = false;                                   // it waits for what it moves
    double blocked_seconds = 0;                            // for which it has yet to wait
  };
  // While it lives, what one engine moves is there at once and counted as time it waits, if its
  // loads block.
  class OnBehalf;
  struct Instance {
    std::size_t level;
    VertexId vertex;
    std::size_t engine;  // one that reaches it
  };
  // A run of blocks to be fetched from one tier.
  struct Part {
    std::size_t level;
    std::int64_t from, to;  // blocks
    std::int64_t first_token, tokens;
    bool lossy = false;
  };
  struct Fetch {
    std::uint64_t tag;
    std::size_t engine;
    PathId path;
    std::int64_t path_tokens, upto;
    std::vector<Part> parts;
    std::size_t outstanding;
    bool lossy;
    TimePoint start;
    Use use;
    FetchResult result;
  };
  // Blocks on their way into a tier, or a part of a fetch on its way to its engine.
  struct Transfer {
    enum class Kind : std::uint8_t { kFetch, kWriteThrough, kWriteBack, kPromote, kPrefetch };
    Kind kind;
    PathId path;
    std::int64_t tokens;    // of the path, that it covers
    std::int64_t from, to;  // blocks
    TierId source = -1, target = -1;
    double kv_bytes = 0;  // of a block, as computed
    std::uint32_t fetch = 0;
    bool lossy = false;
    Use use{};
  };

  void make_tiers();
  const TierSettings& settings(std::size_t level) const { return settings_.tiers[level]; }
  double kv_bytes(std::size_t engine) const {
    return engines_[engine].bytes_per_token * static_cast<double>(settings_.block_tokens);
  }
  std::size_t level_of(TierId tier) const {
    return instances_[static_cast<std::size_t>(tier)].level;
  }
  bool is_down(TierId tier) const {
    return static_cast<std::size_t>(tier) < down_.size() && down_[static_cast<std::size_t>(tier)];
  }
  std::int64_t stored_bytes(double kv_bytes, std::size_t level) const;

  void look_up(std::size_t engine, PathId path, std::int64_t tokens, TimePoint now);
  // What the tiers hold of the prompt looked up, from where the engine's blocks end.
  void plan(std::size_t engine, std::int64_t found, std::int64_t most);
  void keep_what_is_cheaper(std::size_t engine, std::int64_t found, std::int64_t most);
  // Sends what the target lacks of the transfer's blocks, whose prompt is looked up; false if it
  // lacks none.
  bool send(const Transfer& transfer, VertexId from);
  void start(Transfer transfer, VertexId from, std::int64_t blocks);
  std::vector<Loaded> fetch_parts(std::size_t engine, PathId path, std::int64_t most,
                                  std::uint64_t tag, const Use& use);
  void wait_for(const Route& route, double bytes, double coding_seconds);
  void settle(TimePoint now);
  std::uint32_t new_transfer(const Transfer& transfer);
  void write_through(std::size_t engine, std::int64_t to, VertexId source, std::size_t level,
                     Transfer transfer);
  void arrived(const Transfer& transfer, TimePoint now);
  void part_arrived(const Transfer& transfer, TimePoint now, std::vector<Loaded>& loaded);
  void leaving(TierId tier, const KvStore::LeavingBlocks& blocks,
               const Resident& resident) override;

  const StoreSettings& settings_;
  TokenPaths& paths_;
  Fabric& fabric_;
  const Topology& topology_;
  Network& network_;
  std::unique_ptr<KvStore> store_;
  std::vector<EngineAt> engines_;
  std::vector<Instance> instances_;  // by TierId
  bool prefetches_ = false;
  std::vector<char> down_;         // by TierId; as many as have ever failed
  EngineAt* waits_ = nullptr;      // the engine on whose behalf the store acts, if its loads block
  std::vector<Transfer> at_once_;  // what has moved on its behalf and is to be in its tier
  std::vector<std::string> tenant_names_;

  std::vector<Transfer> transfers_;
  std::vector<std::uint32_t> unused_transfers_;
  std::vector<Fetch> fetches_;
  std::vector<std::uint32_t> unused_fetches_;
  std::vector<Part> parts_;
  std::int64_t depth_ = 0;  // blocks of the prompt looked up that are in the engine or some tier
  struct Leaving {
    RunId parent;  // of the shallowest run, when it left
    Transfer transfer;
  };
  std::vector<Leaving> leaving_;
  std::vector<TierResult> totals_;  // by level
};

}  // namespace scsim::sim
