// A store of one tier, driven by prompts written as words: each letter is one block of its own
// content, so "aab" and "aac" share two blocks.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sim/store/kv_store.h"

namespace scsim::test {

inline constexpr std::int64_t kBlock = 4;  // tokens

// The n-th letter is the n-th block of the content named by the letter.
inline std::vector<Span> blocks(std::string_view word) {
  std::vector<Span> spans;
  for (std::size_t i = 0; i < word.size(); ++i) {
    spans.push_back({ContentId(static_cast<std::uint64_t>(word[i])),
                     Tokens(static_cast<std::int64_t>(i) * kBlock), Tokens(kBlock)});
  }
  return spans;
}

class OneTier {
 public:
  OneTier(const std::string& policy, std::int64_t capacity,
          const sim::PolicyParameters& parameters = {},
          std::function<double(std::int64_t from, std::int64_t tokens)> recompute = {})
      : store_({.block_tokens = kBlock, .tail = true}, paths_, nullptr) {
    sim::TierOptions options;
    options.name = "tier";
    options.capacity = capacity;
    options.eviction = *sim::find_eviction(policy, parameters);
    options.recompute_seconds = std::move(recompute);
    tier_ = store_.add_tier(std::move(options));
  }

  // From now on another tier, with room for all, shares the store's runs: they are not given up
  // when their blocks leave this tier.
  void add_shadow() {
    sim::TierOptions options;
    options.name = "shadow";
    options.capacity = 1'000'000;
    options.eviction = *sim::find_eviction("lru", {});
    shadow_ = store_.add_tier(std::move(options));
  }

  // Blocks found, before the prompt's blocks come to be there.
  std::int64_t serve(const std::vector<Span>& prompt, double at_seconds = 0,
                     std::uint32_t tenant = 0, std::span<const sim::KvStore::NextUse> future = {}) {
    const sim::PathId path = make(prompt);
    const sim::Use use{TimePoint(static_cast<std::int64_t>(at_seconds * 1e9)), tenant, number_++};
    store_.look_up(path, paths_.tokens(path));
    if (shadow_) store_.serve(*shadow_, use, 1);
    const std::int64_t found = store_.serve(tier_, use, 1, future);
    paths_.drop_reference(path);
    store_.check_everything();
    return found;
  }
  std::int64_t resident(const std::vector<Span>& prompt) {
    const sim::PathId path = make(prompt);
    store_.look_up(path, paths_.tokens(path));
    const std::int64_t found = store_.leading(tier_, 0);
    paths_.drop_reference(path);
    return found;
  }
  sim::Tier& tier() { return store_.tier(tier_); }

 private:
  sim::PathId make(const std::vector<Span>& prompt) {
    return paths_.make(prompt, ContentId{}, 0, 0);
  }

  sim::TokenPaths paths_;
  sim::KvStore store_;
  sim::TierId tier_ = 0;
  std::optional<sim::TierId> shadow_;
  std::uint64_t number_ = 0;
};

}  // namespace scsim::test
