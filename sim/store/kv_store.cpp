#include "sim/store/kv_store.h"

#include <algorithm>

namespace scsim::sim {

KvStore::KvStore(const Options& options, TokenPaths& paths, Listener* listener)
    : options_(options), runs_(options.block_tokens, paths), listener_(listener) {}

TierId KvStore::add_tier(TierOptions options) {
  if (!options.recompute_seconds) {
    options.recompute_seconds = [](std::int64_t, std::int64_t tokens) {
      return static_cast<double>(tokens);
    };
  }
  const TierId id = static_cast<TierId>(tiers_.size());
  tiers_.push_back(std::make_unique<Tier>(id, std::move(options), runs_, *this));
  return id;
}

// ---- the tree ----

RunId KvStore::split(RunId run, std::int64_t depth) {
  ++changes_;
  const RunId upper = runs_.split(run, depth);
  runs_[run].payload.for_each(
      [&](TierId tier, CopyId) { this->tier(tier).run_was_split(upper, run); });
  return upper;
}

void KvStore::shorten(RunId run, std::int64_t depth) {
  ++changes_;
  runs_.shorten(run, depth);
}

void KvStore::drop_if_bare(RunId run) {
  while (run != Runs::kRoot && runs_[run].children == 0 && runs_[run].payload.empty()) {
    ++changes_;
    run = runs_.remove(run);
  }
}

void KvStore::leaving(TierId tier, RunId run, std::int64_t from, std::int64_t to,
                      const Resident& resident) {
  if (listener_ == nullptr) return;
  const std::int64_t tail = runs_[run].tail_tokens;
  const std::int64_t tokens = tail > 0 ? from * block_tokens() + tail : to * block_tokens();
  listener_->leaving(tier, {run, runs_[run].parent, runs_[run].path, from, to, tokens}, resident);
}

// ---- the prompt at hand ----

void KvStore::look_up(PathId path, std::int64_t tokens) {
  // Asked again of a prompt at hand. (A path's number may have been given to another meanwhile.)
  const std::uint64_t made = runs_.paths().made(path);
  if (path == path_ && made == path_made_ && tokens == tokens_ && walked_ == changes_) return;
  path_ = path;
  path_made_ = made;
  tokens_ = tokens;
  full_ = tokens / options_.block_tokens;
  total_ = full_ + (options_.tail && tokens % options_.block_tokens != 0 ? 1 : 0);
  walk();
}

void KvStore::walk() {
  known_ = runs_.walk(path_, tokens_, options_.tail, pieces_);
  walked_ = changes_;
}

std::int64_t KvStore::leading(TierId tier, std::int64_t from) const {
  SCSIM_CHECK_EQ(walked_, changes_);
  std::int64_t depth = from;
  for (const Piece& piece : pieces_) {
    const std::int64_t begin = runs_[piece.run].begin;
    if (begin + piece.blocks <= from) continue;
    if (this->tier(tier).cached(piece.run) == kNoCopy) break;
    depth = begin + piece.blocks;
  }
  return depth;
}

std::int64_t KvStore::missing(TierId tier, std::int64_t from, std::int64_t to) const {
  SCSIM_CHECK_EQ(walked_, changes_);
  std::int64_t missing = to - from;
  for (const Piece& piece : pieces_) {
    const std::int64_t begin = std::max<std::int64_t>(runs_[piece.run].begin, from);
    const std::int64_t end = std::min(runs_[piece.run].begin + piece.blocks, to);
    if (end > begin && this->tier(tier).cached(piece.run) != kNoCopy) missing -= end - begin;
  }
  return missing;
}

bool KvStore::lossy(TierId tier, std::int64_t from, std::int64_t to) const {
  SCSIM_CHECK_EQ(walked_, changes_);
  for (const Piece& piece : pieces_) {
    const std::int64_t begin = runs_[piece.run].begin;
    if (begin + piece.blocks <= from || begin >= to) continue;
    if (this->tier(tier)[this->tier(tier).cached(piece.run)].lossy) return true;
  }
  return false;
}

void KvStore::cut_at(std::int64_t depth) {
  for (std::size_t i = 0; i < pieces_.size(); ++i) {
    const Piece piece = pieces_[i];
    const std::int64_t begin = runs_[piece.run].begin;
    if (depth <= begin) return;
    if (depth >= runs_[piece.run].end) continue;
    if (depth > begin + piece.blocks) return;  // the prompt has left this run before
    const RunId upper = split(piece.run, depth);
    walked_ = changes_;
    pieces_[i] = {upper, depth - begin};
    if (depth < begin + piece.blocks) {
      pieces_.insert(pieces_.begin() + static_cast<std::ptrdiff_t>(i) + 1,
                     {piece.run, begin + piece.blocks - depth});
    }
    return;
  }
}

bool KvStore::pieces_are_whole_runs() const {
  std::int64_t depth = 0;
  for (const Piece& piece : pieces_) {
    if (runs_[piece.run].begin != depth || runs_[piece.run].blocks() != piece.blocks) return false;
    depth += piece.blocks;
  }
  return true;
}

void KvStore::use(TierId tier_id, std::int64_t to, const Use& use) {
  Tier& tier = this->tier(tier_id);
  tier.request(use);
  if (to <= 0) return;
  if (walked_ != changes_) walk();
  cut_at(to);
  for (std::size_t i = pieces_.size(); i-- > 0;) {
    if (runs_[pieces_[i].run].end > to) continue;
    const CopyId copy = tier.cached(pieces_[i].run);
    if (copy != kNoCopy) tier.use(copy, use);
  }
}

std::int64_t KvStore::insert(TierId tier, std::int64_t from, std::int64_t to, const Use& use,
                             const ArrivingBlocks& arrival) {
  if (walked_ != changes_) walk();
  return insert_pieces(tier, from, to, use, arrival);
}

std::int64_t KvStore::insert_pieces(TierId tier_id, std::int64_t from, std::int64_t to,
                                    const Use& use, const ArrivingBlocks& arrival) {
  Tier& tier = this->tier(tier_id);
  SCSIM_CHECK_LE(to, total_);
  const auto missing_in = [&](const Piece& piece) {
    const std::int64_t begin = std::max<std::int64_t>(runs_[piece.run].begin, from);
    const std::int64_t end = std::min(runs_[piece.run].begin + piece.blocks, to);
    return end > begin && tier.cached(piece.run) == kNoCopy ? end - begin : 0;
  };
  std::int64_t missing = std::max<std::int64_t>(to - std::max(known_, from), 0);
  for (const Piece& piece : pieces_) missing += missing_in(piece);
  if (missing == 0) return 0;
  cut_at(from);
  cut_at(to);
  cut_at(known_);

  const bool spare = tier.spares_request();
  spared_.clear();
  for (const Piece& piece : pieces_) {
    const CopyId copy = tier.cached(piece.run);
    if (copy == kNoCopy) {
      tier.recall(piece.run, use);
    } else {
      spared_.push_back(copy);
      tier.pin(copy);
    }
  }
  const RunId deepest = pieces_.empty() ? Runs::kRoot : pieces_.back().run;
  runs_.hold(deepest);
  std::int64_t room =
      spare ? tier.make_room(missing * arrival.block_bytes, use) / arrival.block_bytes : missing;
  runs_.let_go(deepest);
  drop_if_bare(deepest);
  if (walked_ != changes_) {  // room was made, most often elsewhere
    if (pieces_are_whole_runs()) {
      walked_ = changes_;
    } else {
      walk();
      cut_at(from);
      cut_at(to);
      cut_at(known_);
    }
  }

  fresh_.clear();
  std::int64_t added = 0;
  RunId last = Runs::kRoot;
  std::size_t i = 0;
  for (; i < pieces_.size() && room > 0; ++i) {
    last = pieces_[i].run;
    if (missing_in(pieces_[i]) == 0) continue;
    if (room < pieces_[i].blocks) {
      cut_at(runs_[last].begin + room);
      last = pieces_[i].run;
    }
    fresh_.push_back(tier.add(last, use, arrival));
    added += pieces_[i].blocks;
    room -= pieces_[i].blocks;
  }
  if (room > 0 && to > known_) {
    std::int64_t depth = known_;
    const auto add = [&](RunId run, std::int64_t blocks) {
      ++changes_;
      last = run;
      pieces_.push_back({run, blocks});
      known_ += blocks;
      fresh_.push_back(tier.add(run, use, arrival));
      added += blocks;
      room -= blocks;
    };
    if (depth < from) {  // what lies before it is in no tier, but its place has to be known
      last = runs_.add(last, path_, depth, from);
      pieces_.push_back({last, from - depth});
      depth = known_ = from;
      ++changes_;
    }
    const std::int64_t end = std::min({full_, to, depth + room});
    if (end > depth) {
      add(runs_.add(last, path_, depth, end), end - depth);
    }
    if (room > 0 && to > full_) add(runs_.add_tail(last, path_, tokens_), 1);
    walked_ = changes_;
  }
  for (std::size_t k = fresh_.size(); k-- > 0;) tier.announce(fresh_[k]);
  for (std::size_t k = spared_.size(); k-- > 0;) tier.refresh(spared_[k], use);
  for (std::size_t k = fresh_.size(); k-- > 0;) tier.unpin(fresh_[k]);
  for (std::size_t k = spared_.size(); k-- > 0;) tier.unpin(spared_[k]);
  tier.forget_ghosts();
  return added;
}

void KvStore::move_out(TierId tier_id, std::int64_t from, std::int64_t to, TimePoint now) {
  Tier& tier = this->tier(tier_id);
  if (walked_ != changes_) walk();
  cut_at(from);
  cut_at(to);
  std::vector<CopyId> leaving;  // slots keep their numbers while runs come and go
  for (const Piece& piece : pieces_) {
    const Runs::Run& run = runs_[piece.run];
    const CopyId copy = tier.cached(piece.run);
    if (run.begin < from || run.begin >= to || copy == kNoCopy) continue;
    if (tier[copy].pins == 0) leaving.push_back(copy);
  }
  for (std::size_t i = leaving.size(); i-- > 0;) tier.remove(leaving[i], BlockEnd::kMoved, now);
}

void KvStore::pin(TierId tier_id, std::int64_t from, std::int64_t to) {
  Tier& tier = this->tier(tier_id);
  if (walked_ != changes_) walk();
  cut_at(from);
  cut_at(to);
  for (const Piece& piece : pieces_) {
    const Runs::Run& run = runs_[piece.run];
    if (run.begin >= from && run.begin < to) tier.pin(tier.cached(piece.run));
  }
}

void KvStore::unpin(TierId tier_id, std::int64_t from, std::int64_t to) {
  Tier& tier = this->tier(tier_id);
  if (walked_ != changes_) walk();
  for (std::size_t i = pieces_.size(); i-- > 0;) {
    const Runs::Run& run = runs_[pieces_[i].run];
    if (run.begin >= from && run.begin < to) tier.unpin(tier.cached(pieces_[i].run));
  }
}

// ---- without a clock ----

std::int64_t KvStore::serve(TierId tier, const Use& use, std::int64_t block_bytes,
                            std::span<const NextUse> future) {
  this->tier(tier).expire(use.now);
  if (walked_ != changes_) walk();
  const std::int64_t found = leading(tier, 0);
  this->use(tier, found, use);
  insert(tier, 0, total_, use, {.block_bytes = block_bytes});
  if (!this->tier(tier).spares_request()) foretell(tier, use, future);
  return found;
}

void KvStore::foretell(TierId tier_id, const Use& use, std::span<const NextUse> future) {
  Tier& tier = this->tier(tier_id);
  if (walked_ != changes_) walk();
  for (const NextUse& next : future) cut_at(next.end);
  SCSIM_CHECK(!future.empty() || total_ == 0);  // an oracle has to be told
  std::size_t at = future.size();
  for (std::size_t i = pieces_.size(); i-- > 0;) {
    const CopyId copy = tier.cached(pieces_[i].run);
    if (copy == kNoCopy) continue;
    while (at > 1 && future[at - 2].end >= runs_[pieces_[i].run].end) --at;
    tier.set_next_use(copy, future[at - 1].number);
    tier.refresh(copy, use);
  }
  tier.shrink_to_capacity(use);
}

void KvStore::check_everything() const {
  for (const auto& tier : tiers_) tier->check_everything();
}

}  // namespace scsim::sim
