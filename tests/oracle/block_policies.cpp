#include "tests/oracle/block_policies.h"

#include <algorithm>
#include <list>
#include <optional>
#include <utility>

#include "traces/check.h"

namespace scsim::oracle {
namespace {

using Parameters = std::map<std::string, double>;
using Blocks = std::list<BlockName>;

bool holds(const Blocks& blocks, const BlockName& block) {
  return std::ranges::find(blocks, block) != blocks.end();
}
double size(const Blocks& blocks) { return static_cast<double>(blocks.size()); }
void move_to_back(Blocks& blocks, const BlockName& block) {
  blocks.remove(block);
  blocks.push_back(block);
}
// The first that may go.
BlockName first_to_go(const Blocks& blocks, const BlockCacheState& state) {
  const auto block = std::ranges::find_if(blocks, [&](const auto& b) { return state.may_go(b); });
  return block == blocks.end() ? BlockName{} : *block;
}

class Lru : public BlockPolicy {
 public:
  explicit Lru(const BlockCacheState& state) : state_(state) {}
  void used(const BlockName& block) override { move_to_back(queue_, block); }
  void added(const BlockName& block) override { queue_.push_back(block); }
  void refreshed(const BlockName& block) override { move_to_back(queue_, block); }
  void evicted(const BlockName& block) override { queue_.remove(block); }
  BlockName victim() override { return first_to_go(queue_, state_); }

 private:
  const BlockCacheState& state_;
  Blocks queue_;
};

class Ttl final : public Lru {
 public:
  Ttl(const Parameters& parameters, const BlockCacheState& state)
      : Lru(state), ns_(static_cast<std::int64_t>(parameters.at("seconds") * 1e9)) {}
  std::int64_t ttl_ns() const override { return ns_; }

 private:
  std::int64_t ns_;
};

class Fifo final : public BlockPolicy {
 public:
  explicit Fifo(const BlockCacheState& state) : state_(state) {}
  void added(const BlockName& block) override { queue_.push_back(block); }
  void evicted(const BlockName& block) override { queue_.remove(block); }
  BlockName victim() override { return first_to_go(queue_, state_); }

 private:
  const BlockCacheState& state_;
  Blocks queue_;
};

// Those that rank the blocks that may go.
class Ranked : public BlockPolicy {
 public:
  explicit Ranked(const BlockCacheState& state) : state_(state) {}
  BlockName victim() override {
    std::optional<std::pair<std::vector<double>, BlockName>> least;
    for (const auto& [name, block] : state_.here) {
      if (!state_.may_go(name)) continue;
      const std::pair<std::vector<double>, BlockName> candidate{rank(name, block), name};
      SCSIM_CHECK(!least || least->first != candidate.first);  // no ties
      if (!least || candidate < *least) least = candidate;
    }
    return least ? least->second : BlockName{};
  }

 protected:
  virtual std::vector<double> rank(const BlockName& name, const CachedBlock& block) const = 0;
  static double last(const CachedBlock& block) {
    return static_cast<double>(block.requests.back());
  }
  const BlockCacheState& state_;
};

class Lfu final : public Ranked {
  using Ranked::Ranked;
  std::vector<double> rank(const BlockName&, const CachedBlock& block) const override {
    return {static_cast<double>(block.requests.size()), last(block)};
  }
};

class Belady final : public Ranked {
  using Ranked::Ranked;
  bool spares_request() const override { return false; }
  std::vector<double> rank(const BlockName&, const CachedBlock& block) const override {
    return {-static_cast<double>(block.next_request), last(block)};
  }
};

class LruK final : public Ranked {
 public:
  LruK(const Parameters& parameters, const BlockCacheState& state)
      : Ranked(state), k_(static_cast<std::size_t>(parameters.at("k"))) {}

 private:
  std::vector<double> rank(const BlockName&, const CachedBlock& block) const override {
    const std::size_t uses = block.requests.size();
    return {uses < k_ ? -1 : static_cast<double>(block.requests[uses - k_]), last(block)};
  }
  std::size_t k_;
};

// Greedy dual: H = L + worth, where L is the greatest H of what has gone.
class GreedyDual : public Ranked {
 public:
  using Ranked::Ranked;
  void used(const BlockName& block) override { floors_[block] = floor_; }
  void added(const BlockName& block) override { floors_[block] = floor_; }
  void evicted(const BlockName& block) override {
    floor_ = std::max(floor_, chosen_value_);
    floors_.erase(block);
  }
  BlockName victim() override {
    const BlockName chosen = Ranked::victim();
    if (!chosen.empty()) chosen_value_ = rank(chosen, state_.here.at(chosen))[0];
    return chosen;
  }

 protected:
  virtual double worth(const BlockName& name, const CachedBlock& block) const = 0;

 private:
  std::vector<double> rank(const BlockName& name, const CachedBlock& block) const override {
    return {floors_.at(name) + worth(name, block), last(block)};
  }
  double floor_ = 0, chosen_value_ = 0;
  std::map<BlockName, double> floors_;  // L at the last use
};

class Gdsf final : public GreedyDual {
  using GreedyDual::GreedyDual;
  double worth(const BlockName&, const CachedBlock& block) const override {
    return static_cast<double>(block.requests.size());
  }
};

class CostAware final : public GreedyDual {
  using GreedyDual::GreedyDual;
  double worth(const BlockName& name, const CachedBlock&) const override {
    return state_.recompute_seconds(static_cast<std::int64_t>(name.size()) - 1);
  }
};

class TenantQuota final : public BlockPolicy {
 public:
  explicit TenantQuota(const BlockCacheState& state) : state_(state) {}
  void used(const BlockName& block) override { move_to_back(queue_, block); }
  void added(const BlockName& block) override { queue_.push_back(block); }
  void refreshed(const BlockName& block) override { move_to_back(queue_, block); }
  void evicted(const BlockName& block) override { queue_.remove(block); }
  BlockName victim() override {
    std::map<std::uint32_t, int> blocks;
    for (const auto& [name, block] : state_.here) ++blocks[block.tenant];
    std::map<std::uint32_t, BlockName> candidates;  // the least recently used of each
    for (const BlockName& name : queue_) {
      if (state_.may_go(name)) candidates.try_emplace(state_.here.at(name).tenant, name);
    }
    BlockName victim;
    int most = 0;
    for (const auto& [tenant, name] : candidates) {
      if (blocks[tenant] < most) continue;
      if (blocks[tenant] == most && tenant != state_.asking) continue;
      most = blocks[tenant];
      victim = name;
    }
    return victim;
  }

 private:
  const BlockCacheState& state_;
  Blocks queue_;
};

class Clock final : public BlockPolicy {
 public:
  explicit Clock(const BlockCacheState& state) : state_(state) {}
  void used(const BlockName& block) override { marked_.insert(block); }
  void added(const BlockName& block) override { queue_.push_back(block); }
  void evicted(const BlockName& block) override { queue_.remove(block); }
  BlockName victim() override {
    if (first_to_go(queue_, state_).empty()) return {};
    for (;;) {
      const BlockName block = queue_.front();
      if (state_.may_go(block) && !marked_.contains(block)) return block;
      if (!state_.spared.contains(block)) marked_.erase(block);
      move_to_back(queue_, block);
    }
  }

 private:
  const BlockCacheState& state_;
  Blocks queue_;
  std::set<BlockName> marked_;
};

class Sieve final : public BlockPolicy {
 public:
  explicit Sieve(const BlockCacheState& state) : state_(state) {}
  void used(const BlockName& block) override { marked_.insert(block); }
  void added(const BlockName& block) override { queue_.push_back(block); }
  void evicted(const BlockName& block) override {
    SCSIM_CHECK(hand_ != queue_.end() && *hand_ == block);
    hand_ = queue_.erase(hand_);
    if (hand_ == queue_.end()) at_end_ = true;
  }
  BlockName victim() override {
    if (first_to_go(queue_, state_).empty()) return {};
    if (at_end_) hand_ = queue_.begin();  // what came since is not next
    at_end_ = false;
    for (;;) {
      if (state_.may_go(*hand_) && !marked_.contains(*hand_)) return *hand_;
      if (!state_.spared.contains(*hand_)) marked_.erase(*hand_);
      if (++hand_ == queue_.end()) hand_ = queue_.begin();
    }
  }

 private:
  const BlockCacheState& state_;
  Blocks queue_;
  Blocks::iterator hand_;
  bool at_end_ = true;
  std::set<BlockName> marked_;
};

class S3Fifo final : public BlockPolicy {
 public:
  S3Fifo(const Parameters& parameters, const BlockCacheState& state)
      : state_(state), share_(parameters.at("small_share") * static_cast<double>(state.capacity)) {}
  void used(const BlockName& block) override { uses_[block] = std::min(uses_[block] + 1, 3); }
  bool remembers(const BlockName& block) const override { return holds(ghosts_, block); }
  void added(const BlockName& block) override {
    (holds(ghosts_, block) ? main_ : small_).push_back(block);
    ghosts_.remove(block);
    uses_[block] = 0;
  }
  void evicted(const BlockName& block) override {
    if (holds(small_, block)) ghosts_.push_back(block);
    small_.remove(block);
    main_.remove(block);
    uses_.erase(block);
    while (size(ghosts_) > static_cast<double>(state_.capacity) - share_) ghosts_.pop_front();
  }
  BlockName victim() override {
    const bool main_can = !first_to_go(main_, state_).empty();
    if (size(small_) >= share_ || !main_can) {
      while (!small_.empty()) {
        const BlockName block = small_.front();
        if (!state_.spared.contains(block) && uses_.at(block) > 1) {
          small_.pop_front();
          uses_[block] = 0;
          main_.push_back(block);
        } else if (first_to_go(small_, state_).empty()) {
          break;
        } else if (state_.may_go(block)) {
          return block;
        } else {
          move_to_back(small_, block);
        }
      }
    }
    if (first_to_go(main_, state_).empty()) return {};
    for (;;) {
      const BlockName block = main_.front();
      if (state_.may_go(block) && uses_.at(block) == 0) return block;
      if (!state_.spared.contains(block) && uses_.at(block) > 0) --uses_[block];
      move_to_back(main_, block);
    }
  }

 private:
  const BlockCacheState& state_;
  double share_;
  Blocks small_, main_, ghosts_;
  std::map<BlockName, int> uses_;
};

class SegmentedLru final : public BlockPolicy {
 public:
  SegmentedLru(const Parameters& parameters, const BlockCacheState& state)
      : state_(state),
        share_(parameters.at("protected_share") * static_cast<double>(state.capacity)) {}
  void request() override {
    while (size(protected_) > share_) {
      probation_.push_back(protected_.front());
      protected_.pop_front();
    }
  }
  void used(const BlockName& block) override {
    probation_.remove(block);
    move_to_back(protected_, block);
  }
  void added(const BlockName& block) override { probation_.push_back(block); }
  void refreshed(const BlockName& block) override {
    move_to_back(holds(protected_, block) ? protected_ : probation_, block);
  }
  void evicted(const BlockName& block) override {
    probation_.remove(block);
    protected_.remove(block);
  }
  BlockName victim() override {
    const BlockName block = first_to_go(probation_, state_);
    return block.empty() ? first_to_go(protected_, state_) : block;
  }

 private:
  const BlockCacheState& state_;
  double share_;
  Blocks probation_, protected_;
};

// T1, T2, B1, B2 and p are those of the paper.
class Arc final : public BlockPolicy {
 public:
  explicit Arc(const BlockCacheState& state) : state_(state) {}
  void used(const BlockName& block) override {
    t1_.remove(block);
    move_to_back(t2_, block);
  }
  bool remembers(const BlockName& block) const override {
    return holds(b1_, block) || holds(b2_, block);
  }
  void asked_again(const std::vector<BlockName>& remembered) override {
    double once = 0, again = 0;
    for (const BlockName& block : remembered) ++(holds(b1_, block) ? once : again);
    const auto b1 = static_cast<double>(b1_.size()), b2 = static_cast<double>(b2_.size());
    if (once > 0) p_ += once * std::max(1.0, b2 / b1);
    if (again > 0) p_ -= again * std::max(1.0, b1 / b2);
    p_ = std::clamp(p_, 0.0, static_cast<double>(state_.capacity));
  }
  void added(const BlockName& block) override {
    (remembers(block) ? t2_ : t1_).push_back(block);
    b1_.remove(block);
    b2_.remove(block);
  }
  void refreshed(const BlockName& block) override {
    move_to_back(holds(t1_, block) ? t1_ : t2_, block);
  }
  void evicted(const BlockName& block) override {
    (holds(t1_, block) ? b1_ : b2_).push_back(block);
    t1_.remove(block);
    t2_.remove(block);
  }
  void request_ended() override {
    const auto capacity = static_cast<std::size_t>(state_.capacity);
    while (t1_.size() + b1_.size() > capacity) b1_.pop_front();
    while (t1_.size() + t2_.size() + b1_.size() + b2_.size() > 2 * capacity) b2_.pop_front();
  }
  BlockName victim() override {
    const BlockName once = first_to_go(t1_, state_), again = first_to_go(t2_, state_);
    if (again.empty()) return once;
    if (once.empty() || static_cast<double>(t1_.size()) <= p_) return again;
    return once;
  }

 private:
  const BlockCacheState& state_;
  Blocks t1_, t2_, b1_, b2_;
  double p_ = 0;
};

template <class Policy>
std::unique_ptr<BlockPolicy> make(const Parameters& parameters, const BlockCacheState& state) {
  if constexpr (std::is_constructible_v<Policy, const Parameters&, const BlockCacheState&>) {
    return std::make_unique<Policy>(parameters, state);
  } else {
    return std::make_unique<Policy>(state);
  }
}

}  // namespace

std::unique_ptr<BlockPolicy> make_block_policy(const std::string& name,
                                               const Parameters& parameters,
                                               const BlockCacheState& state) {
  using Maker = std::unique_ptr<BlockPolicy> (*)(const Parameters&, const BlockCacheState&);
  static const std::map<std::string, Maker> makers = {
      {"arc", make<Arc>},
      {"belady", make<Belady>},
      {"clock", make<Clock>},
      {"cost_aware", make<CostAware>},
      {"fifo", make<Fifo>},
      {"gdsf", make<Gdsf>},
      {"lfu", make<Lfu>},
      {"lru", make<Lru>},
      {"lru_k", make<LruK>},
      {"s3fifo", make<S3Fifo>},
      {"sieve", make<Sieve>},
      {"slru", make<SegmentedLru>},
      {"tenant_quota", make<TenantQuota>},
      {"ttl", make<Ttl>},
  };
  const auto maker = makers.find(name);
  return maker == makers.end() ? nullptr : maker->second(parameters, state);
}

}  // namespace scsim::oracle
