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
      {"belady", make<Belady>}, {"fifo", make<Fifo>}, {"lfu", make<Lfu>},
      {"lru", make<Lru>},       {"ttl", make<Ttl>},
  };
  const auto maker = makers.find(name);
  return maker == makers.end() ? nullptr : maker->second(parameters, state);
}

}  // namespace scsim::oracle
